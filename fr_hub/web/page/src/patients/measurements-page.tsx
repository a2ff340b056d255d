import { Page } from "../parts/page";
import { MeasurementList } from "./measurement-list";

/** The measurements of all patients. */
export function Component() {
  return (
    <Page title="Measurements">
      <MeasurementList patient={null} />
    </Page>
  );
}
