import "../styles/about.css";

import packages from "virtual:licences";

import { Page } from "../parts/page";

/** What this is, where its documentation is, and whose work is in the page. */
export function Component() {
  return (
    <Page title="About">
      <section className="card stack">
        <p>
          Fr receives brain scans and ECGs, analyses them and sends the reports back. It is research
          software and not a medical device: nothing here is for diagnosis, and a qualified
          radiologist must review it.
        </p>
        <p>
          Programs can use everything here through the API: <a href="/docs">documentation</a>,{" "}
          <a href="/api/v1/openapi.json">OpenAPI document</a>.
        </p>
      </section>
      <section className="card stack">
        <h2>Software in this page</h2>
        <p>Fr is under the MIT licence. The page contains these packages, unchanged:</p>
        <ul className="licences">
          {packages.map(({ name, version, licence, text }) => (
            <li key={name + version}>
              <details>
                <summary>
                  <strong>{name}</strong> {version} <span className="muted">{licence}</span>
                </summary>
                <pre className="licence">
                  {text || `${licence}. The package does not contain the text of its licence.`}
                </pre>
              </details>
            </li>
          ))}
        </ul>
        <p className="muted">
          The Python packages of the units are listed in <code>.github/THIRD_PARTY.md</code>.
        </p>
      </section>
    </Page>
  );
}
