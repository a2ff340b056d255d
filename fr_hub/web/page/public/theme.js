// Before the first paint, so that the page does not flash in the other theme.
try {
  const theme = localStorage.getItem("fr-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the theme of the system counts.
}
