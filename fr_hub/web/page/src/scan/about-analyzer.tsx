/** The built-in analyzers; of others, Fr does not know how well they read. */
const DESCRIBED = ["volume", "ecg"];

/** Where it says how well an analyzer reads, and all that it cannot do. */
export function AboutAnalyzer({ name }: { name: string }) {
  if (!DESCRIBED.includes(name)) return null;
  return (
    <p>
      <a href={`/docs/analyzers/${name}`}>How well the analyzer {name} reads, and its limits</a>
    </p>
  );
}
