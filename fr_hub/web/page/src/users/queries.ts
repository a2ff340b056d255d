/** Users and tokens of the API. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, call, callWithTag } from "../api/client";
import { ApiProblem } from "../api/problem";
import type { components } from "../api/schema";

type Schemas = components["schemas"];
export type User = Schemas["ShownUser"];
export type Token = Schemas["ShownToken"];
export type Role = User["roles"][number];

export const ROLES: Record<Role, string> = {
  submitter: "sends ECGs and sees only these",
  reader: "sees scans and reports, without personal data",
  clinician:
    "has the rights of reader and submitter; sees patients and measurements; uploads scans",
  operator: "requeues, reanalyses, erases and prioritises scans, and uploads them",
  auditor: "reads the audit trail, and nothing else",
  admin: "has all rights, except to users' own ECGs; manages users and tokens",
  emergency: "sees scans, patients and measurements; uploads scans; each use raises an alarm",
};

/** All users of the tenant. */
export function useUsers() {
  return useQuery({
    queryKey: ["users"],
    queryFn: async () => {
      const users: User[] = [];
      for (let after = ""; ;) {
        const query = { limit: 500, after };
        const page = await call(api.GET("/api/v1/users", { params: { query } }));
        users.push(...page.items);
        if (!page.next) return users;
        after = page.next;
      }
    },
  });
}

export function useAddUser() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Schemas["NewUser"]) => call(api.POST("/api/v1/users", { body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["users"] }),
  });
}

/** Change a user, unless somebody else has since `user` was shown. */
export function useChangeUser() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ user, ...body }: Schemas["UserChange"] & { user: User }) => {
      const path = { user: user.name };
      const known = await callWithTag(api.GET("/api/v1/users/{user}", { params: { path } }));
      if (known.data.updated_at !== user.updated_at) {
        throw new ApiProblem({
          status: 412,
          code: "changed_meanwhile",
          title: "Somebody else changed this user",
          detail: "Close this form, open it again, and make your changes again.",
        });
      }
      const header = { "if-match": known.etag };
      return call(api.PATCH("/api/v1/users/{user}", { params: { path, header }, body }));
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["users"] }),
  });
}

export function useDeleteUser() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (user: string) =>
      call(api.DELETE("/api/v1/users/{user}", { params: { path: { user } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: ["users"] }),
  });
}

/** Tokens of a user; null: one's own. */
export function useTokens(user: string | null) {
  return useQuery({
    queryKey: ["tokens", user],
    queryFn: () => call(api.GET("/api/v1/tokens", { params: { query: { user } } })),
  });
}

export function useMakeToken(user: string | null) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Schemas["NewToken"]) =>
      call(api.POST("/api/v1/tokens", { params: { query: { user } }, body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["tokens"] }),
  });
}

export function useRevokeToken() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (token_id: string) =>
      call(api.DELETE("/api/v1/tokens/{token_id}", { params: { path: { token_id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: ["tokens"] }),
  });
}

export function useChangePassword() {
  return useMutation({
    mutationFn: (body: Schemas["PasswordChange"]) =>
      call(api.PUT("/api/v1/session/password", { body })),
  });
}
