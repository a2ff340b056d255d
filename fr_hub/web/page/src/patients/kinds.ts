/** The kinds of measurements, as people know them. */
import type { Kind, Measurement } from "./queries";

export interface KindFacts {
  label: string;
  /** The code of its series, of LOINC; null: of the measurement. */
  code: string | null;
  /** Units (UCUM) that the API takes, the first one as the form's default. */
  units: string[];
}

export const KINDS: Record<Kind, KindFacts> = {
  blood_pressure: { label: "Blood pressure", code: "85354-9", units: ["mm[Hg]", "kPa"] },
  heart_rate: { label: "Heart rate", code: "8867-4", units: ["/min"] },
  temperature: { label: "Temperature", code: "8310-5", units: ["Cel", "[degF]"] },
  spo2: { label: "Oxygen saturation", code: "59408-5", units: ["%"] },
  weight: { label: "Weight", code: "29463-7", units: ["kg", "g", "[lb_av]"] },
  other: { label: "Other", code: null, units: [] },
};

const UNITS: Record<string, string> = {
  "mm[Hg]": "mmHg",
  Cel: "°C",
  "[degF]": "°F",
  "[lb_av]": "lb",
  "/min": "/min",
  "{beats}/min": "/min",
  "1": "",
};

/** A unit of UCUM as people write it. */
export function unitName(unit: string): string {
  return UNITS[unit] ?? unit;
}

/** The value with its unit, such as "120/80 mmHg". */
export function valueOf(one: Measurement): string {
  if (one.components) {
    const values = new Map(one.components.map((part) => [part.code, part.value]));
    const mean = values.get("mean");
    const unit = unitName(one.components[0]?.unit ?? "");
    const both = `${values.get("systolic")}/${values.get("diastolic")} ${unit}`;
    return mean === undefined ? both : `${both} (mean ${mean})`;
  }
  return `${one.value} ${unitName(one.unit ?? "")}`.trim();
}

/** What was measured. */
export function whatOf(one: Measurement): string {
  return one.kind === "other" ? one.code.display : KINDS[one.kind].label;
}

/** The code of a measurement's series, as the API's trend takes it; null: it has none. */
export function seriesOf(one: Measurement): string | null {
  const { system, code } = one.code;
  if (!code) return null;
  return system && system !== "http://loinc.org" ? `${system}|${code}` : code;
}
