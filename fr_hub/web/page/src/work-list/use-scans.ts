import {
  type InfiniteData,
  type QueryClient,
  useInfiniteQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { api, call } from "../api/client";
import type { ScanPage, ScanSummary, State } from "../api/types";
import { useLiveEvents } from "../live/use-live";
import { type Filters, queryOf } from "./filters";
import { isBreak, mergePage, Rows, rowsOf } from "./merge";
import { STATE_WORDS } from "./words";

const FIRST_PAGE = 100;
/** Of the pages behind it: who reads on reads fast, and a page costs the same for 100 scans as for
 * some more. */
const PAGE = 500;
const REFRESH_MS = 1_000;
const PAGES_AT_ONCE = 4;
/** Pages that are kept for somebody who leaves the list and comes back: each is read again then. */
const KEPT_PAGES = 5;

type Pages = InfiniteData<ScanPage, string | undefined>;

async function readPage(
  filters: Filters,
  after: string | undefined,
  signal?: AbortSignal,
): Promise<ScanPage> {
  const query = { ...queryOf(filters), limit: after ? PAGE : FIRST_PAGE, ...(after && { after }) };
  const page = await call(api.GET("/api/v1/scans", { params: { query }, signal }));
  return page as ScanPage; // the client's type has a list for the three sizes of a voxel
}

function patch(pages: Pages, key: string, change: Partial<ScanSummary>): Pages {
  const one = (item: ScanSummary) => (item.key === key ? { ...item, ...change } : item);
  return {
    ...pages,
    pages: pages.pages.map((page) =>
      page.items.some((item) => item.key === key) ? { ...page, items: page.items.map(one) } : page,
    ),
  };
}

/** Keep only the first pages of a list that is left, as all are read again when it is opened. */
function forgetFarPages(queries: QueryClient, queryKey: readonly unknown[]): void {
  queries.setQueryData<Pages>(queryKey, (now) =>
    now && now.pages.length > KEPT_PAGES
      ? {
          pages: now.pages.slice(0, KEPT_PAGES),
          pageParams: now.pageParams.slice(0, KEPT_PAGES),
        }
      : undefined,
  );
}

/** The scans of the work list, page by page, kept up to date.
 *
 * A list of 100,000 scans cannot be read again for each event. A scan that changes gets its new
 * state at once; then the pages that show it, and the first one, are read again, at most once a
 * second.
 *
 * @param isAtTop whether new scans may appear at the top: not while one reads further down, where
 *   all rows would move. */
export function useScans(filters: Filters, isAtTop: () => boolean) {
  const queries = useQueryClient();
  const queryKey = useMemo(() => ["work-list", filters] as const, [filters]);
  const [hasNewer, setHasNewer] = useState(false);
  const list = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) => readPage(filters, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    // Events reach only the list that is open: any other one is read again when it is opened.
    staleTime: 0,
    gcTime: 60_000,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
  const changed = useRef(new Set<string>());
  const timer = useRef<number | undefined>(undefined);
  const busy = useRef(false);
  /** Something happened that no refresh has begun after. */
  const due = useRef(false);

  /** Read what changed again; false: not now, as the list itself is being read, and its older
   * answer would replace this one. */
  const refresh = useCallback(
    async (top: boolean): Promise<boolean> => {
      const known = queries.getQueryData<Pages>(queryKey);
      if (!known || queries.isFetching({ queryKey, exact: true }) > 0) return false;
      due.current = false;
      const keys = new Set(changed.current);
      changed.current.clear();
      const touched = known.pages
        .map((page, index) => (page.items.some(({ key }) => keys.has(key)) ? index : -1))
        .filter((index) => index > 0);
      for (const index of touched.splice(PAGES_AT_ONCE)) {
        // Their turn is next.
        known.pages[index]?.items.forEach(({ key }) => keys.has(key) && changed.current.add(key));
        due.current = true;
      }
      const fresh = await Promise.all(
        [0, ...touched].map(async (index) => ({
          index,
          page: await readPage(filters, known.pageParams[index]),
        })),
      ).catch((error: unknown) => {
        keys.forEach((key) => changed.current.add(key));
        due.current = true;
        throw error;
      });
      queries.setQueryData<Pages>(queryKey, (now) => {
        if (!now) return now;
        const pages = [...now.pages];
        for (const { index, page } of fresh) {
          const earlier = pages[index];
          if (!earlier) continue;
          const first = earlier.items[0]?.key;
          const isNewer = index === 0 && page.items[0]?.key !== first;
          if (isNewer && !top && first !== undefined) {
            setHasNewer(true);
            const values = new Map(page.items.map((item) => [item.key, item]));
            pages[0] = {
              ...earlier,
              items: earlier.items.map((item) => values.get(item.key) ?? item),
            };
          } else if (index === 0 && isBreak(earlier, page)) {
            return { pages: [page], pageParams: [undefined] };
          } else {
            pages[index] = mergePage(earlier, page, filters.text === null);
          }
        }
        return { ...now, pages };
      });
      if (top) setHasNewer(false);
      return true;
    },
    [filters, queries, queryKey],
  );

  const latest = useRef(refresh);
  useEffect(() => {
    latest.current = refresh;
  }, [refresh]);

  const refreshSoon = useCallback(
    function again() {
      due.current = true;
      if (timer.current !== undefined || busy.current) return;
      timer.current = window.setTimeout(() => {
        timer.current = undefined;
        busy.current = true;
        latest
          .current(isAtTop())
          // A lost connection is shown by the shell, and the next event tries again.
          .catch(() => false)
          .then((isCaughtUp) => {
            busy.current = false;
            if (isCaughtUp && due.current) again();
          });
      }, REFRESH_MS);
    },
    [isAtTop],
  );

  // What happened while the list was being read may be missing in it.
  useEffect(() => {
    if (!list.isFetching && due.current) refreshSoon();
  }, [list.isFetching, refreshSoon]);

  useEffect(() => () => forgetFarPages(queries, queryKey), [queries, queryKey]);
  useEffect(
    () => () => {
      window.clearTimeout(timer.current);
      timer.current = undefined;
    },
    [],
  );

  useLiveEvents(({ kind, key, state }) => {
    if (kind === "reset") {
      rowsOf(queries.getQueryData<Pages>(queryKey)?.pages ?? []).forEach((row) => {
        if (row.state === "waiting" || row.state === "analysing") changed.current.add(row.key);
      });
      refreshSoon();
    } else if ((kind === "scan" || kind === "report") && key) {
      changed.current.add(key);
      if (kind === "scan" && state && state in STATE_WORDS) {
        queries.setQueryData<Pages>(
          queryKey,
          (now) => now && patch(now, key, { state: state as State }),
        );
      }
      refreshSoon();
    }
  });

  const [rows] = useState(() => new Rows());
  return {
    rows: useMemo(() => rows.of(list.data?.pages ?? []), [rows, list.data]),
    isLoading: list.isPending,
    problem: list.error,
    hasMore: list.hasNextPage,
    loadMore: () => {
      if (!list.isFetching && !busy.current) void list.fetchNextPage();
    },
    retry: () => void list.refetch(),
    /** New scans wait above, which `showNewer` brings in. */
    hasNewer,
    showNewer: () => void refresh(true),
    /** These scans were changed from here. */
    touch: (keys: string[]) => {
      keys.forEach((key) => changed.current.add(key));
      refreshSoon();
    },
  };
}
