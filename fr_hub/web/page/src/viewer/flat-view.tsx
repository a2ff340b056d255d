import { FlatSlice, type FlatSliceProps } from "./flat-slice";
import type { Plane } from "./planes";
import type { View } from "./scene";

/** In the order in which NiiVue has them. */
const PLANES: Plane[] = ["coronal", "sagittal", "axial"];

type FlatViewProps = Omit<FlatSliceProps, "plane"> & { view: View };

/** The slices of a volume without WebGL: all three, or one. */
export function FlatView({ view, ...props }: FlatViewProps) {
  const planes = PLANES.filter((plane) => view === plane || view === "all" || view === "3d");
  return (
    <div className={planes.length === 1 ? "flat-view one" : "flat-view"}>
      {planes.map((plane) => (
        <FlatSlice key={plane} plane={plane} {...props} />
      ))}
    </div>
  );
}
