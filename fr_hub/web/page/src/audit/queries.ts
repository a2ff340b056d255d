/** Events of the audit trail. */
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";

import { api, call } from "../api/client";
import type { components, paths } from "../api/schema";

export type AuditEvent = components["schemas"]["AuditEvent"];
type Query = NonNullable<paths["/api/v1/audit"]["get"]["parameters"]["query"]>;
export type Kind = NonNullable<Query["kind"]>[number];

export interface Wanted {
  scan: string;
  user: string;
  kinds: Kind[];
  /** As inputs of the type `datetime-local` have it: in the zone of the person who asks. */
  since: string;
  until: string;
}

function instant(local: string): string | null {
  const at = new Date(local);
  return local && !Number.isNaN(at.getTime()) ? at.toISOString() : null;
}

/** Events that are wanted, the newest first. */
export function useEvents(wanted: Wanted) {
  return useInfiniteQuery({
    queryKey: ["audit", wanted],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      call(
        api.GET("/api/v1/audit", {
          signal,
          params: {
            query: {
              scan: wanted.scan || null,
              user: wanted.user || null,
              kind: wanted.kinds.length ? wanted.kinds : null,
              since: instant(wanted.since),
              until: instant(wanted.until),
              after: pageParam,
              limit: 100,
            },
          },
        }),
      ),
    getNextPageParam: (last) => last.next,
    placeholderData: keepPreviousData,
  });
}
