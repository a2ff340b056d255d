/** Patients and measurements of the API. */
import {
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";

import { api, call, callWithTag } from "../api/client";
import { problemOf } from "../api/problem";
import type { components } from "../api/schema";

type Schemas = components["schemas"];
export type Patient = Schemas["PatientData"];
export type NewPatient = Schemas["NewPatient"];
export type PatientChanges = Schemas["PatientChanges"];
export type Measurement = Schemas["MeasurementData"];
export type NewMeasurement = Schemas["NewMeasurement"];
export type Kind = Measurement["kind"];
export type Trend = Schemas["Trend"];
export type PatientSort = "name" | "-name" | "created_at" | "-created_at";

const PAGE = 50;

export interface Search {
  /** Beginnings of words of the name. */
  name: string;
  identifier: string;
  pseudonym: string;
  sort: PatientSort;
}

/** Patients that a search finds, page by page. */
export function usePatients(search: Search) {
  return useInfiniteQuery({
    queryKey: ["patients", search],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      call(
        api.POST("/api/v1/patients/search", {
          body: {
            sort: search.sort,
            limit: PAGE,
            ...(search.name && { name: search.name }),
            ...(search.identifier && { identifier: search.identifier }),
            ...(search.pseudonym && { pseudonym: search.pseudonym }),
            ...(pageParam && { after: pageParam }),
          },
        }),
      ),
    getNextPageParam: (last) => last.next,
    placeholderData: keepPreviousData,
  });
}

/** A patient with the ETag that a change must name. */
export function usePatient(id: string) {
  return useQuery({
    queryKey: ["patients", "one", id],
    queryFn: () =>
      callWithTag(
        api.GET("/api/v1/patients/{patient_id}", { params: { path: { patient_id: id } } }),
      ),
  });
}

export function usePatientScans(id: string) {
  return useInfiniteQuery({
    queryKey: ["patients", "scans", id],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      call(
        api.GET("/api/v1/patients/{patient_id}/scans", {
          params: { path: { patient_id: id }, query: { limit: PAGE, after: pageParam } },
        }),
      ),
    getNextPageParam: (last) => last.next,
  });
}

/** Create a patient (`id` null), or change what `changes` names. */
export function useSavePatient(id: string | null) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (given: {
      patient: NewPatient | PatientChanges;
      etag: string;
      request: string;
    }) => {
      if (id === null) {
        const header = { "idempotency-key": given.request };
        const body = given.patient as NewPatient;
        return call(api.POST("/api/v1/patients", { body, params: { header } }));
      }
      return call(
        api.PATCH("/api/v1/patients/{patient_id}", {
          params: { path: { patient_id: id }, header: { "if-match": given.etag } },
          body: given.patient,
        }),
      );
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ["patients"] }),
  });
}

/** What deleting a patient would delete: without a confirmation, the API says so and deletes
 * nothing. */
export function useDeletion(id: string) {
  return useQuery({
    queryKey: ["patients", "deletion", id],
    staleTime: 0,
    gcTime: 0,
    retry: false,
    queryFn: async () => {
      const answer = await api.DELETE("/api/v1/patients/{patient_id}", {
        params: { path: { patient_id: id } },
      });
      const asked = answer.error as Partial<Schemas["ConfirmationDetails"]> | undefined;
      if (answer.response.status === 409 && asked?.would_delete) return asked.would_delete;
      throw problemOf(answer.response, answer.error);
    },
  });
}

/** Delete a patient; the argument is the number of scans that this erases. */
export function useDeletePatient(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (confirm: number) =>
      call(
        api.DELETE("/api/v1/patients/{patient_id}", {
          params: { path: { patient_id: id }, query: { confirm } },
        }),
      ),
    onSuccess: () => {
      queries.removeQueries({ queryKey: ["patients", "one", id] });
      void queries.invalidateQueries({ queryKey: ["patients"] });
    },
  });
}

/** Measurements of a patient, or of all (`patient` null). */
export function useMeasurements(patient: string | null, kind: Kind | null) {
  return useInfiniteQuery({
    queryKey: ["measurements", patient, kind],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => {
      const query = { limit: PAGE, after: pageParam, kind };
      if (patient === null) {
        return call(api.GET("/api/v1/measurements", { params: { query } }));
      }
      return call(
        api.GET("/api/v1/patients/{patient_id}/measurements", {
          params: { path: { patient_id: patient }, query },
        }),
      );
    },
    getNextPageParam: (last) => last.next,
  });
}

export function useTrend(patient: string, code: string | null) {
  return useQuery({
    queryKey: ["measurements", "trend", patient, code],
    enabled: code !== null,
    queryFn: () =>
      call(
        api.GET("/api/v1/patients/{patient_id}/trend", {
          params: { path: { patient_id: patient }, query: { code: code ?? "", points: 500 } },
        }),
      ),
    placeholderData: keepPreviousData,
  });
}

export function useAddMeasurement(patient: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (given: { measurement: NewMeasurement; request: string }) =>
      call(
        api.POST("/api/v1/patients/{patient_id}/measurements", {
          params: {
            path: { patient_id: patient },
            header: { "idempotency-key": given.request },
          },
          body: given.measurement,
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["measurements"] }),
  });
}

export function useDeleteMeasurement() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      call(
        api.DELETE("/api/v1/measurements/{measurement_id}", {
          params: { path: { measurement_id: id } },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["measurements"] }),
  });
}
