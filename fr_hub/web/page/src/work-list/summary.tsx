import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { api, call } from "../api/client";
import { numberText } from "../parts/formats";
import { Ago } from "../parts/time";
import { type Filters, queryOf, type ShownState, STATES } from "./filters";
import { PRIORITIES, STATE_WORDS } from "./words";

/** How many scans there are, whatever states are chosen. */
export function useCounts(filters: Filters) {
  const others = { ...filters, state: [] };
  return useQuery({
    queryKey: ["counts", others],
    queryFn: ({ signal }) =>
      call(api.GET("/api/v1/scans/counts", { params: { query: queryOf(others) }, signal })),
    placeholderData: keepPreviousData,
  });
}

interface Props {
  filters: Filters;
  onChange: (change: Partial<Filters>) => void;
}

const RARE: ShownState[] = ["erased", "purged"];

/** The numbers by state, which are also the filter by state, and what waits. */
export function Summary({ filters, onChange }: Props) {
  const { data } = useCounts(filters);
  const shown = STATES.filter(
    (state) =>
      !RARE.includes(state) || (data?.states[state] ?? 0) > 0 || filters.state.includes(state),
  );
  function toggle(state: ShownState) {
    const isOn = filters.state.includes(state);
    onChange({
      state: isOn ? filters.state.filter((one) => one !== state) : [...filters.state, state],
    });
  }
  return (
    <section className="summary" aria-label="Numbers of scans">
      <div className="state-counts" role="group" aria-label="Filter by state">
        {shown.map((state) => (
          <button
            key={state}
            type="button"
            className="state-count"
            data-state={state}
            aria-pressed={filters.state.includes(state)}
            onClick={() => toggle(state)}
          >
            <span>{STATE_WORDS[state]}</span>
            <strong className="number">
              {data ? numberText(data.states[state] ?? 0) : "–"}
              {data && !data.complete ? "+" : ""}
            </strong>
          </button>
        ))}
      </div>
      <dl className="queue">
        <div>
          <dt>Oldest waiting</dt>
          <dd className="number">
            {data?.oldest_waiting_at ? <Ago at={data.oldest_waiting_at} /> : "none"}
          </dd>
        </div>
        {PRIORITIES.map((priority) => (
          <div key={priority}>
            <dt>{priority === "stat" ? "Stat" : priority[0]?.toUpperCase() + priority.slice(1)}</dt>
            <dd className="number">{data ? numberText(data.priorities[priority] ?? 0) : "–"}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
