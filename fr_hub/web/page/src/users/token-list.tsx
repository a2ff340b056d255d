import { type FormEvent, useState } from "react";

import { Button } from "../parts/button";
import { Loading } from "../parts/empty";
import { Field } from "../parts/field";
import { Note } from "../parts/note";
import { Problem } from "../parts/problem";
import { Table } from "../parts/table";
import { Time } from "../parts/time";
import { type Role, useMakeToken, useRevokeToken, useTokens } from "./queries";

interface Props {
  /** Whose; null: one's own. */
  user: string | null;
  /** Roles that a token may have. */
  roles: Role[];
}

/** The tokens of a user, for scripts: made, shown once, and revoked here. */
export function TokenList({ user, roles }: Props) {
  const found = useTokens(user);
  const revoke = useRevokeToken();
  if (found.isError) {
    return <Problem problem={found.error} onRetry={() => void found.refetch()} />;
  }
  if (found.isPending) return <Loading what="tokens" />;
  const tokens = found.data.items;
  return (
    <div className="stack">
      <NewToken user={user} roles={roles} />
      {revoke.isError && <Problem problem={revoke.error} />}
      {tokens.length === 0 ? (
        <p className="muted">There are no tokens yet. Scripts use them instead of a password.</p>
      ) : (
        <Table
          caption="Tokens"
          rows={tokens}
          rowKey={(one) => one.id}
          stacks="narrow"
          columns={[
            { title: "For", header: true, cell: (one) => one.label || "(no name)" },
            { title: "Roles", cell: (one) => one.roles?.join(", ") ?? "all roles of the user" },
            { title: "Expires", cell: (one) => <Time at={one.expires_at} form="short" /> },
            {
              title: "Revoke",
              cell: (one) => (
                <Button
                  kind="danger"
                  aria-label={`Revoke ${one.label || one.id}`}
                  onClick={() => revoke.mutate(one.id)}
                >
                  Revoke
                </Button>
              ),
            },
          ]}
        />
      )}
    </div>
  );
}

function NewToken({ user, roles }: Props) {
  const make = useMakeToken(user);
  const [label, setLabel] = useState("");
  const [role, setRole] = useState<Role | "">("");
  const [days, setDays] = useState("90");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate(
      { label: label.trim(), roles: role ? [role] : null, days: Number(days) },
      { onSuccess: () => setLabel("") },
    );
  };
  return (
    <>
      <form className="filters" onSubmit={submit}>
        <Field label="What is it for?">
          {(props) => (
            <input
              {...props}
              required
              maxLength={100}
              value={label}
              onChange={(event) => setLabel(event.target.value)}
            />
          )}
        </Field>
        <Field label="Role">
          {(props) => (
            <select
              {...props}
              value={role}
              onChange={(event) => setRole(event.target.value as Role | "")}
            >
              <option value="">all roles of the user</option>
              {roles.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Valid for (days)">
          {(props) => (
            <input
              {...props}
              type="number"
              required
              min={1}
              max={3650}
              value={days}
              onChange={(event) => setDays(event.target.value)}
            />
          )}
        </Field>
        <Button kind="primary" type="submit" busy={make.isPending}>
          Create a token
        </Button>
      </form>
      {make.isError && <Problem problem={make.error} />}
      {make.data && (
        <Note
          tone="good"
          action={
            <Button onClick={() => void navigator.clipboard.writeText(make.data.token)}>
              Copy
            </Button>
          }
        >
          Copy the token now: it is not shown again.
          <br />
          <code className="wrap-anywhere">{make.data.token}</code>
        </Note>
      )}
    </>
  );
}
