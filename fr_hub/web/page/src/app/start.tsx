import { Navigate } from "react-router";

import { Empty, Loading } from "../parts/empty";
import { Page } from "../parts/page";
import { groupsFor } from "./navigation";
import { useSession } from "./session-context";

/** The address `/`: the first page that the user may see. */
export function Start() {
  const { rights } = useSession();
  const first = groupsFor(rights)[0]?.places[0];
  return first ? <Navigate to={first.to} replace /> : <Loading />;
}

/** Any other address. */
export function NotFound() {
  return (
    <Page title="Page not found">
      <Empty title="There is no page at this address">
        Check the address, or choose a page in the navigation.
      </Empty>
    </Page>
  );
}
