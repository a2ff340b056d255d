import { createBrowserRouter } from "react-router";

import { Loading } from "../parts/empty";
import { FailedPart } from "./failed-part";
import { needs } from "./navigation";
import { Shell } from "./shell";
import { NotFound, Start } from "./start";

/** Each part of the page is loaded when it is first opened: `lazy: () => import("../scan/scan-page")`
 * of a module that exports `Component`, with `handle: needs("read")` if it asks for a right. */
export const router = createBrowserRouter([
  {
    element: <Shell />,
    errorElement: <FailedPart />,
    hydrateFallbackElement: <Loading />,
    children: [
      {
        errorElement: <FailedPart />,
        children: [
          { index: true, element: <Start /> },
          {
            path: "scans",
            handle: needs("read"),
            lazy: () => import("../work-list/work-list-page"),
          },
          {
            path: "failures",
            handle: needs("read"),
            lazy: () => import("../failures/failures-page"),
          },
          {
            path: "upload",
            handle: needs("upload"),
            lazy: () => import("../upload/upload-page"),
          },
          // Not /ecgs, where the API of an earlier service is.
          { path: "my-ecgs", handle: needs("ecgs"), lazy: () => import("../my-ecgs/ecgs-page") },
          {
            path: "my-ecgs/:id",
            handle: needs("ecgs"),
            lazy: () => import("../my-ecgs/ecg-page"),
          },
          {
            path: "patients",
            handle: needs("personal"),
            lazy: () => import("../patients/patients-page"),
          },
          {
            path: "patients/:id",
            handle: needs("personal"),
            lazy: () => import("../patients/patient-page"),
          },
          {
            path: "measurements",
            handle: needs("personal"),
            lazy: () => import("../patients/measurements-page"),
          },
          { path: "audit", handle: needs("audit"), lazy: () => import("../audit/audit-page") },
          { path: "users", handle: needs("admin"), lazy: () => import("../users/users-page") },
          { path: "system", handle: needs("read"), lazy: () => import("../system/system-page") },
          { path: "account", lazy: () => import("../users/account-page") },
          {
            path: "scans/:key",
            handle: needs("read"),
            lazy: () => import("../scan/scan-page"),
          },
          {
            path: "compare",
            handle: needs("read"),
            lazy: () => import("../scan/compare-page"),
          },
          { path: "about", lazy: () => import("../about/about-page") },
          { path: "*", element: <NotFound /> },
        ],
      },
    ],
  },
]);
