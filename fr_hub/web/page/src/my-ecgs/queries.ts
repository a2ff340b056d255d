/** The user's own ECGs. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, call } from "../api/client";
import type { components } from "../api/schema";
import { currentConnection } from "../live/feed";

export type Ecg = components["schemas"]["EcgData"];
export type Insights = components["schemas"]["Insights"];

const PAGE = 50;
const LOOK_MS = 2_000;

/** No event tells when an ECG is analysed: it is looked at again until it is. */
function again(open: boolean): number | false {
  return open && currentConnection() !== "away" ? LOOK_MS : false;
}

/** Whether an ECG will change without anybody's doing. */
function isOpen({ state }: Ecg): boolean {
  return state === "waiting" || state === "analysing";
}

/** The newest first, page by page. */
export function useEcgs() {
  return useInfiniteQuery({
    queryKey: ["my-ecgs", "list"],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: PAGE, ...(pageParam && { after: pageParam }) };
      return call(api.GET("/api/v1/ecgs", { params: { query }, signal }));
    },
    getNextPageParam: (last) => last.next,
    refetchInterval: ({ state }) =>
      again(state.data?.pages.some((page) => page.items.some(isOpen)) ?? false),
  });
}

export function useEcg(id: string) {
  return useQuery({
    queryKey: ["my-ecgs", "one", id],
    queryFn: ({ signal }) =>
      call(api.GET("/api/v1/ecgs/{ecg_id}", { params: { path: { ecg_id: id } }, signal })),
    refetchInterval: ({ state }) => again(state.data ? isOpen(state.data) : false),
  });
}

/** What was found in an ECG that is analysed. */
export function useInsights(id: string, enabled: boolean) {
  return useQuery({
    queryKey: ["my-ecgs", "insights", id],
    queryFn: async ({ signal }) => {
      const params = { path: { ecg_id: id } };
      const found = await call(api.GET("/api/v1/ecgs/{ecg_id}/insights", { params, signal }));
      return found as Insights;
    },
    enabled,
  });
}

export function useErase(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () =>
      call(api.DELETE("/api/v1/ecgs/{ecg_id}", { params: { path: { ecg_id: id } } })),
    onSuccess: () => {
      queries.removeQueries({ queryKey: ["my-ecgs", "insights", id] });
      return queries.invalidateQueries({ queryKey: ["my-ecgs"] });
    },
  });
}
