import { type FormEvent, useState } from "react";

import { useSession } from "../app/session-context";
import { Button } from "../parts/button";
import { Field } from "../parts/field";
import { Note } from "../parts/note";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { Tag } from "../parts/tag";
import { useChangePassword } from "./queries";
import { TokenList } from "./token-list";

/** One's own account: password and tokens. */
export function Component() {
  const { user, roles } = useSession();
  return (
    <Page title="Your account">
      <section className="card stack" aria-label="Who is signed in">
        <p className="row">
          Signed in as <strong>{user}</strong>
          {roles.map((role) => (
            <Tag key={role}>{role}</Tag>
          ))}
        </p>
      </section>
      <section className="card stack" aria-labelledby="password">
        <h2 id="password">Password</h2>
        <PasswordForm />
      </section>
      <section className="card stack" aria-labelledby="tokens">
        <h2 id="tokens">Tokens for scripts</h2>
        <TokenList user={null} roles={roles} />
      </section>
    </Page>
  );
}

function PasswordForm() {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const change = useChangePassword();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate(
      { current, new: next },
      {
        onSuccess: () => {
          setCurrent("");
          setNext("");
        },
      },
    );
  };
  return (
    <form className="filters" onSubmit={submit}>
      <Field label="Current password">
        {(props) => (
          <input
            {...props}
            type="password"
            required
            autoComplete="current-password"
            value={current}
            onChange={(event) => setCurrent(event.target.value)}
          />
        )}
      </Field>
      <Field label="New password" hint="12 to 256 characters">
        {(props) => (
          <input
            {...props}
            type="password"
            required
            minLength={12}
            maxLength={256}
            autoComplete="new-password"
            value={next}
            onChange={(event) => setNext(event.target.value)}
          />
        )}
      </Field>
      <Button type="submit" busy={change.isPending}>
        Change the password
      </Button>
      {change.isError && <Problem problem={change.error} />}
      {change.isSuccess && (
        <Note tone="good">The password is changed. Your other sessions have ended.</Note>
      )}
    </form>
  );
}
