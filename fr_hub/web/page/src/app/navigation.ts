import type { Right } from "../api/types";
import type { IconName } from "../parts/icon";

export interface Place {
  to: string;
  label: string;
  icon: IconName;
  /** Who sees it; without: everybody. */
  right?: Right;
}

export interface Group {
  label: string;
  places: Place[];
}

/** The navigation. Each part of the page adds its line here and its route in `routes.tsx`. */
export const GROUPS: Group[] = [
  {
    label: "Scans",
    places: [
      { to: "/scans", label: "Work list", icon: "list", right: "read" },
      { to: "/failures", label: "Failed scans", icon: "alert", right: "read" },
      { to: "/upload", label: "Upload", icon: "upload", right: "upload" },
      { to: "/my-ecgs", label: "Your ECGs", icon: "ecg", right: "ecgs" },
    ],
  },
  {
    label: "Patients",
    places: [
      { to: "/patients", label: "Patients", icon: "patient", right: "personal" },
      { to: "/measurements", label: "Measurements", icon: "measure", right: "personal" },
    ],
  },
  {
    label: "Administration",
    places: [
      { to: "/users", label: "Users", icon: "users", right: "admin" },
      { to: "/audit", label: "Audit trail", icon: "audit", right: "audit" },
      { to: "/system", label: "System", icon: "system", right: "read" },
      { to: "/account", label: "Your account", icon: "key" },
      { to: "/about", label: "About", icon: "about" },
    ],
  },
];

/** The groups with the places that these rights open. */
export function groupsFor(rights: readonly Right[]): Group[] {
  return GROUPS.map((group) => ({
    ...group,
    places: group.places.filter(({ right }) => !right || rights.includes(right)),
  })).filter((group) => group.places.length > 0);
}

/** The `handle` of a route that asks for a right: without it, the shell says so instead. */
export function needs(right: Right): { right: Right } {
  return { right };
}
