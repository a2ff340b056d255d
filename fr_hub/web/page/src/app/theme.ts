import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

const KEY = "fr-theme";
const listeners = new Set<() => void>();

function current(): Theme {
  const named = document.documentElement.dataset.theme;
  return named === "light" || named === "dark" ? named : "system";
}

/** Show the page in this theme, now and from now on. */
export function setTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage is switched off: the choice holds until the page is closed.
  }
  listeners.forEach((listener) => listener());
}

/** The chosen theme. */
export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, current);
}

/** Whether the page is dark now, whoever decided it: for canvases, which no style reaches. */
export function useIsDark(): boolean {
  const theme = useTheme();
  const systemIsDark = useSyncExternalStore(
    (listener) => {
      SYSTEM.addEventListener("change", listener);
      return () => SYSTEM.removeEventListener("change", listener);
    },
    () => SYSTEM.matches,
  );
  return theme === "dark" || (theme === "system" && systemIsDark);
}

const SYSTEM = window.matchMedia("(prefers-color-scheme: dark)");
