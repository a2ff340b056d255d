import { Button } from "../parts/button";
import { Icon } from "../parts/icon";
import { setTheme, useIsDark } from "./theme";

/** Switches between dark and light. Until it is used, the system decides. */
export function ThemeButton() {
  const isDark = useIsDark();
  const next = isDark ? "light" : "dark";
  return (
    <Button
      kind="plain"
      icon={<Icon name={isDark ? "sun" : "moon"} />}
      aria-label={`Switch to the ${next} theme`}
      title={`Switch to the ${next} theme`}
      onClick={() => setTheme(next)}
    />
  );
}
