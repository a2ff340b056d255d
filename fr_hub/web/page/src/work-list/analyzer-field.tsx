import { useQuery } from "@tanstack/react-query";

import { api, call } from "../api/client";
import { Field } from "../parts/field";
import { Problem } from "../parts/problem";

interface Props {
  /** Name and version of the chosen analyzer; null: none is chosen. */
  using: string | null;
  disabled: boolean;
  onChange: (using: string | null) => void;
}

/** Chooses the analyzer of a new analysis among those that running Fr-BRAINs have. */
export function AnalyzerField({ using, disabled, onChange }: Props) {
  const found = useQuery({
    queryKey: ["analyzers", "installed"],
    queryFn: () => call(api.GET("/api/v1/analyzers")),
  });
  const names = (found.data?.installed ?? []).map(({ name, version }) => `${name} ${version}`);
  return (
    <>
      <Field label="Analyzer" hint="You can choose only analyzers of a Fr-BRAIN that is running">
        {(props) => (
          <select
            {...props}
            value={using ?? ""}
            disabled={disabled}
            onChange={(event) => onChange(event.target.value || null)}
          >
            <option value="">The usual one for each type of scan</option>
            {[...new Set(names)].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
      </Field>
      {found.error && <Problem problem={found.error} onRetry={() => void found.refetch()} />}
    </>
  );
}
