import { type FormEvent, useEffect, useState } from "react";

import type { Verdict } from "../api/types";
import { Button } from "../parts/button";
import { Field } from "../parts/field";
import { numberText } from "../parts/formats";
import { type Filters, isLimited, TEXT, VERDICTS, type WithLesions } from "./filters";
import { useCounts } from "./summary";
import { VERDICT_WORDS } from "./words";

interface Props {
  filters: Filters;
  onChange: (change: Partial<Filters>) => void;
}

const NONE: Filters = {
  state: [],
  pacs: [],
  verdict: null,
  lesions: null,
  analyzer: null,
  since: null,
  until: null,
  text: null,
};

function Search({ filters, onChange }: Props) {
  const [text, setText] = useState(filters.text ?? "");
  const [seen, setSeen] = useState(filters.text);
  if (seen !== filters.text) {
    // The address has changed, as by "Show all".
    setSeen(filters.text);
    setText(filters.text ?? "");
  }
  const trimmed = text.trim();
  const isValid = trimmed === "" || TEXT.test(trimmed);
  useEffect(() => {
    if (!isValid || trimmed === (filters.text ?? "")) return;
    const timer = window.setTimeout(() => onChange({ text: trimmed || null }), 300);
    return () => window.clearTimeout(timer);
  }, [trimmed, isValid, filters.text, onChange]);
  return (
    <Field
      label="Search"
      error={isValid ? undefined : "Ids and pseudonyms have only letters, digits and . _ @ -"}
    >
      {(props) => (
        <input
          {...props}
          type="search"
          placeholder="Start of an id or a pseudonym"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      )}
    </Field>
  );
}

/** What limits the list. All of it is in the address, so that it can be kept and sent. */
export function FilterBar({ filters, onChange }: Props) {
  const everything = useCounts({ ...NONE });
  const pacs = Object.entries(everything.data?.pacs ?? {});
  const chosen = filters.pacs[0] ?? "";
  const names = new Set([...pacs.map(([name]) => name), ...filters.pacs]);
  return (
    <form
      className="filter-bar"
      role="search"
      onSubmit={(event: FormEvent) => event.preventDefault()}
    >
      <Search filters={filters} onChange={onChange} />
      <Field label="Fr-PACS">
        {(props) => (
          <select
            {...props}
            value={chosen}
            onChange={({ target }) => onChange({ pacs: target.value ? [target.value] : [] })}
          >
            <option value="">All</option>
            {[...names].map((name) => (
              <option key={name} value={name}>
                {`${name} (${numberText(everything.data?.pacs[name] ?? 0)})`}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Quality">
        {(props) => (
          <select
            {...props}
            value={filters.verdict ?? ""}
            onChange={({ target }) => onChange({ verdict: (target.value as Verdict) || null })}
          >
            <option value="">All</option>
            {VERDICTS.map((verdict) => (
              <option key={verdict} value={verdict}>
                {VERDICT_WORDS[verdict]}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Lesions">
        {(props) => (
          <select
            {...props}
            value={filters.lesions ?? ""}
            onChange={({ target }) => onChange({ lesions: (target.value as WithLesions) || null })}
          >
            <option value="">All</option>
            <option value="with">With lesions</option>
            <option value="without">Without lesions</option>
          </select>
        )}
      </Field>
      <Field label="Arrived from">
        {(props) => (
          <input
            {...props}
            type="date"
            max={filters.until ?? undefined}
            value={filters.since ?? ""}
            onChange={({ target }) => onChange({ since: target.value || null })}
          />
        )}
      </Field>
      <Field label="Arrived until">
        {(props) => (
          <input
            {...props}
            type="date"
            min={filters.since ?? undefined}
            value={filters.until ?? ""}
            onChange={({ target }) => onChange({ until: target.value || null })}
          />
        )}
      </Field>
      <Button disabled={!isLimited(filters)} onClick={() => onChange(NONE)}>
        Show all
      </Button>
    </form>
  );
}
