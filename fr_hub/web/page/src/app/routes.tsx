import { createBrowserRouter } from "react-router";

/** Each part of the page is loaded when it is first opened: `lazy: () => import("../scan/scan-page")`
 * of a module that exports `Component`. */
export const router = createBrowserRouter([{ path: "/", element: <h1>Fr</h1> }]);
