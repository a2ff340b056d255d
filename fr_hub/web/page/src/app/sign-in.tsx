import { type FormEvent, type ReactNode, useEffect, useState } from "react";

import { api, call } from "../api/client";
import { type ApiProblem, asProblem } from "../api/problem";
import type { Session } from "../api/types";
import { Button } from "../parts/button";
import { Field } from "../parts/field";
import { Logo } from "../parts/icon";
import { Problem } from "../parts/problem";

interface Props {
  onSignedIn: (session: Session) => void;
  /** Who signed in before. */
  user?: string;
}

/** Name and password. */
export function SignInForm({ onSignedIn, user: before = "" }: Props) {
  const [user, setUser] = useState(before);
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      onSignedIn(await call(api.POST("/api/v1/session", { body: { user, password } })));
    } catch (error) {
      setPassword("");
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form className="stack" onSubmit={(event) => void submit(event)}>
      {problem && <Problem problem={problem} />}
      <Field label="Name">
        {(props) => (
          <input
            {...props}
            name="user"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            required
            maxLength={64}
            value={user}
            onChange={(event) => setUser(event.target.value)}
          />
        )}
      </Field>
      <Field label="Password">
        {(props) => (
          <input
            {...props}
            // Whose name is known has only the password to type: a dialog begins with this field.
            ref={(field) => {
              if (before) field?.setAttribute("autofocus", "");
            }}
            name="password"
            type="password"
            autoComplete="current-password"
            required
            maxLength={256}
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        )}
      </Field>
      <Button kind="primary" type="submit" busy={busy}>
        Sign in
      </Button>
    </form>
  );
}

/** The whole page while nobody is signed in. */
export function SignInPage({ onSignedIn, note }: Props & { note?: ReactNode }) {
  useEffect(() => {
    document.title = "Sign in · Fr";
  }, []);
  return (
    <main className="sign-in">
      <div className="card stack">
        <h1 className="brand">
          <Logo /> Sign in to Fr
        </h1>
        {note}
        <SignInForm onSignedIn={onSignedIn} />
        <p className="muted">
          If nobody has a password yet, open the address that <code>make all</code> or{" "}
          <code>make web</code> prints.
        </p>
      </div>
    </main>
  );
}
