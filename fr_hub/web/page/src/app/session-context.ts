import { createContext, useContext } from "react";

import type { Right, Session } from "../api/types";

export interface CurrentSession {
  user: string;
  tenant: string;
  roles: Session["roles"];
  rights: Session["rights"];
  /** Signed in by the one-time address, so perhaps without a password to come back with. */
  once: boolean;
  signOut: () => Promise<void>;
}

export const SessionContext = createContext<CurrentSession | null>(null);

/** Who is signed in. Everything inside the shell has a session. */
export function useSession(): CurrentSession {
  const session = useContext(SessionContext);
  if (session === null) throw new Error("there is no session here");
  return session;
}

/** Whether the user has a right. */
export function useRight(right: Right): boolean {
  return useSession().rights.includes(right);
}
