import type { components } from "./schema";

type Schemas = components["schemas"];

export type Session = Schemas["ShownSession"];
export type Right = Schemas["Right"];
export type Role = Schemas["Role"];
export type ScanSummary = Schemas["ScanSummary"];
export type ScanPage = Schemas["ScanPage"];
export type ScanCount = Schemas["ScanCount"];
export type Outcome = Schemas["Outcome"];
export type Outcomes = Schemas["Outcomes"];
export type Priority = Schemas["Priority"];
export type Verdict = Schemas["Verdict"];
export type FailureCause = Schemas["FailureCause"];
export type System = Schemas["System"];
export type UnitState = Schemas["UnitState"];

/** The states as people know them. */
export type State = ScanSummary["state"];
