import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useCallback, useEffect, useMemo, useState } from "react";

import { api, call, keepCsrf, onSessionEnded, userLeft } from "../api/client";
import { type ApiProblem, asProblem } from "../api/problem";
import type { Right, Session } from "../api/types";
import { Dialog } from "../parts/dialog";
import { Problem } from "../parts/problem";
import { SessionContext, useRight } from "./session-context";
import { SignInForm, SignInPage } from "./sign-in";

export { useRight, useSession } from "./session-context";

/** Shows its children to users with this right. */
export function Allowed({ right, children }: { right: Right; children: ReactNode }) {
  return useRight(right) ? children : null;
}

interface Start {
  session: Session | null;
  once: boolean;
  problem: ApiProblem | null;
}

const ONE_TIME = /^#one-time=([\w-]+)$/;

/** The session when the page opens: by the token of the one-time address, or by the cookie. */
async function begin(): Promise<Start> {
  const token = ONE_TIME.exec(window.location.hash)?.[1];
  try {
    if (token) {
      // It works once, and must not stay in the history.
      window.history.replaceState(null, "", window.location.pathname + window.location.search);
      const session = await call(api.POST("/api/v1/session/one-time", { body: { token } }));
      return { session, once: true, problem: null };
    }
    return { session: await call(api.GET("/api/v1/session")), once: false, problem: null };
  } catch (error) {
    const problem = asProblem(error);
    const isStranger = problem.status === 401 && !token;
    return { session: null, once: false, problem: isStranger ? null : problem };
  }
}

let started: Promise<Start> | null = null;

/** Shows its children when somebody is signed in, and the sign-in before.
 *
 * When a session ends, the page stays as it is below a sign-in, so that nobody loses what they
 * were doing. */
export function SessionProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [session, setSession] = useState<Session | null>(null);
  const [start, setStart] = useState<Start | null>(null);
  const [ended, setEnded] = useState(false);

  useEffect(() => {
    // React may mount twice; the token of the one-time address works once.
    started ??= begin();
    void started.then((found) => {
      if (found.session?.csrf) keepCsrf(found.session.csrf);
      setSession(found.session);
      setStart(found);
    });
  }, []);

  useEffect(() => {
    // A one-time address that is opened where the page is open already changes only the fragment.
    const open = () => ONE_TIME.test(window.location.hash) && window.location.reload();
    window.addEventListener("hashchange", open);
    return () => window.removeEventListener("hashchange", open);
  }, []);

  useEffect(() => onSessionEnded(() => setEnded(true)), []);

  const enter = useCallback(
    (next: Session) => {
      if (next.csrf) keepCsrf(next.csrf);
      // Nothing of another user may stay on the page.
      if (session !== null && (session.user !== next.user || session.tenant !== next.tenant)) {
        queries.clear();
        userLeft();
      }
      setSession(next);
      setEnded(false);
      void queries.invalidateQueries();
    },
    [queries, session],
  );

  const signOut = useCallback(async () => {
    try {
      await call(api.DELETE("/api/v1/session"));
    } finally {
      keepCsrf("");
      setSession(null);
      setEnded(false);
      queries.clear();
      userLeft();
    }
  }, [queries]);

  const value = useMemo(
    () => session && { ...session, once: start?.once === true, signOut },
    [session, start, signOut],
  );

  if (start === null) return <div className="loading" aria-busy="true" />;
  if (value === null) {
    return (
      <SignInPage
        note={start.problem && <Problem problem={start.problem} />}
        onSignedIn={(next) => {
          setStart({ session: next, once: false, problem: null });
          enter(next);
        }}
      />
    );
  }
  return (
    <SessionContext value={value}>
      {children}
      <Dialog open={ended} title="Sign in again" onClose={null}>
        <p>Your session has ended. Sign in to continue where you left off.</p>
        <SignInForm user={value.user} onSignedIn={enter} />
      </Dialog>
    </SessionContext>
  );
}
