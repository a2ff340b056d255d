import { type InfiniteData, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { api, call } from "../api/client";
import type { ScanPage, ScanSummary, State } from "../api/types";
import { useLiveEvents } from "../live/use-live";
import { type Filters, queryOf } from "./filters";
import { isBreak, mergePage, rowsOf } from "./merge";
import { STATE_WORDS } from "./words";

const PAGE = 100;
const REFRESH_MS = 1_000;

type Pages = InfiniteData<ScanPage, string | undefined>;

async function readPage(
  filters: Filters,
  after: string | undefined,
  signal?: AbortSignal,
): Promise<ScanPage> {
  const query = { ...queryOf(filters), limit: PAGE, ...(after && { after }) };
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
    staleTime: Infinity,
    gcTime: 60_000,
    refetchOnWindowFocus: false,
  });
  const changed = useRef(new Set<string>());
  const timer = useRef<number | undefined>(undefined);
  const busy = useRef(false);

  const refresh = useCallback(
    async (top: boolean) => {
      const keys = new Set(changed.current);
      changed.current.clear();
      const known = queries.getQueryData<Pages>(queryKey);
      if (!known) return;
      const touched = known.pages
        .map((page, index) => (page.items.some(({ key }) => keys.has(key)) ? index : -1))
        .filter((index) => index > 0)
        .slice(0, 4);
      const fresh = await Promise.all(
        [0, ...touched].map(async (index) => ({
          index,
          page: await readPage(filters, known.pageParams[index]),
        })),
      );
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
    },
    [filters, queries, queryKey],
  );

  const refreshSoon = useCallback(
    function again() {
      if (timer.current !== undefined || busy.current) return;
      timer.current = window.setTimeout(() => {
        timer.current = undefined;
        busy.current = true;
        refresh(isAtTop())
          // The next event tries again; a lost connection is shown by the shell.
          .catch(() => undefined)
          .finally(() => {
            busy.current = false;
            if (changed.current.size > 0) again();
          });
      }, REFRESH_MS);
    },
    [isAtTop, refresh],
  );

  useEffect(() => () => window.clearTimeout(timer.current), [queryKey]);

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

  return {
    rows: useMemo(() => rowsOf(list.data?.pages ?? []), [list.data]),
    isLoading: list.isPending,
    problem: list.error,
    hasMore: list.hasNextPage,
    loadMore: () => {
      if (!list.isFetchingNextPage) void list.fetchNextPage();
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
