import { Page } from "../parts/page";

/** What this is, and where its documentation is. */
export function Component() {
  return (
    <Page title="About">
      <div className="card stack">
        <p>
          Fr receives brain scans, analyses them and sends the reports back. It is a research tool,
          not a medical device: its reports are not for diagnosis.
        </p>
        <p>
          Programs reach everything on this page by the API: <a href="/docs">documentation</a>,{" "}
          <a href="/api/v1/openapi.json">OpenAPI document</a>.
        </p>
      </div>
    </Page>
  );
}
