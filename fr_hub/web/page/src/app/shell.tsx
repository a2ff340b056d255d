import { useState } from "react";
import {
  Link,
  NavLink,
  Outlet,
  ScrollRestoration,
  useLocation,
  useMatches,
  useNavigate,
} from "react-router";

import type { Right } from "../api/types";
import { useLive } from "../live/use-live";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Empty } from "../parts/empty";
import { Icon, Logo } from "../parts/icon";
import { Note } from "../parts/note";
import { Page } from "../parts/page";
import { ConnectionState } from "./connection-state";
import { groupsFor } from "./navigation";
import { useRight, useSession } from "./session-context";
import { ThemeButton } from "./theme-button";

function Navigation() {
  const { rights } = useSession();
  return (
    <nav className="nav" aria-label="Main">
      {groupsFor(rights).map((group) => (
        <div key={group.label}>
          <h2>{group.label}</h2>
          {group.places.map((place) => (
            <NavLink key={place.to} to={place.to}>
              <Icon name={place.icon} />
              {place.label}
            </NavLink>
          ))}
        </div>
      ))}
    </nav>
  );
}

function Foot() {
  const { user, tenant, signOut } = useSession();
  const navigate = useNavigate();
  /** Leave the open page, too: the next user may not have the right to it. */
  const leave = () => signOut().finally(() => navigate("/", { replace: true }));
  return (
    <div className="side-foot">
      <div className="row spread">
        <span className="who" title={`Tenant: ${tenant}`}>
          {user}
        </span>
        <ThemeButton />
      </div>
      <Button icon={<Icon name="out" />} onClick={() => void leave()}>
        Sign out
      </Button>
    </div>
  );
}

/** What the open page asks for, if the user does not have it. */
function useMissingRight(): Right | null {
  const { rights } = useSession();
  const handles = useMatches().map((match) => match.handle as { right?: Right } | undefined);
  const asked = handles.map((handle) => handle?.right).find((right) => right !== undefined);
  return asked && !rights.includes(asked) ? asked : null;
}

function Refused({ right }: { right: Right }) {
  return (
    <Page title="No access">
      <Empty title={`This page needs the right “${right}”`}>
        Your roles do not give you this right. Ask an administrator for a role that does, then sign
        in again.
      </Empty>
    </Page>
  );
}

function FirstPassword() {
  const { user, once } = useSession();
  const [open, setOpen] = useState(once);
  if (!open) return null;
  return (
    <Note tone="warn" action={<Button onClick={() => setOpen(false)}>Close</Button>}>
      You signed in as <strong>{user}</strong> with an address that works only once. To sign in
      again later, give this user a password on the server, where Fr is installed:{" "}
      <code>make users USER_RESET={user}</code>
    </Note>
  );
}

/** Navigation around the open page. */
export function Shell() {
  const connection = useLive(useRight("read"));
  const missing = useMissingRight();
  const { pathname } = useLocation();
  const [openedAt, setOpenedAt] = useState<string | null>(null);
  return (
    <div className="shell">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="top-bar">
        <Link className="brand" to="/">
          <Logo /> Fr
        </Link>
        <ConnectionState connection={connection} />
        <Button
          kind="plain"
          icon={<Icon name="menu" size={22} />}
          aria-label="Open the navigation"
          aria-haspopup="dialog"
          onClick={() => setOpenedAt(pathname)}
        />
      </header>
      <Dialog
        shape="drawer"
        title="Navigation"
        open={openedAt === pathname}
        onClose={() => setOpenedAt(null)}
      >
        <Navigation />
        <Foot />
      </Dialog>
      <div className="sidebar">
        <Link className="brand" to="/">
          <Logo /> Fr
        </Link>
        <Navigation />
        <div className="side-foot">
          <ConnectionState connection={connection} />
        </div>
        <Foot />
      </div>
      <main className="content stack" id="content" tabIndex={-1}>
        <FirstPassword />
        {missing ? <Refused right={missing} /> : <Outlet />}
      </main>
      <ScrollRestoration />
    </div>
  );
}
