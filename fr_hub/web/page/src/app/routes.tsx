import { createBrowserRouter } from "react-router";

import { Loading } from "../parts/empty";
import { FailedPart } from "./failed-part";
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
          { path: "about", lazy: () => import("../about/about-page") },
          { path: "*", element: <NotFound /> },
        ],
      },
    ],
  },
]);
