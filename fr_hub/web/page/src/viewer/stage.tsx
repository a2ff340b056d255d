import { lazy, Suspense, useState } from "react";

import { FlatView } from "./flat-view";
import type { Vec3 } from "./geometry";
import type { GlViewProps } from "./gl-view";
import type { Volume } from "./volume";

const GlView = lazy(() => import("./gl-view"));

interface StageProps extends Omit<GlViewProps, "volume" | "cursor" | "onReady"> {
  volume: Volume | null;
  cursor: Vec3 | null;
  withGl: boolean;
}

/** Draws the volume with WebGL, and until that is ready, or without it, as slices. */
export function Stage({ volume, cursor, withGl, ...rest }: StageProps) {
  const [ready, setReady] = useState(false);
  const glDraws = withGl && ready;
  if (ready && !withGl) setReady(false);
  if (!volume || !cursor) return <div className="viewer-wait" role="status" />;
  const shared = { ...rest, volume, cursor };
  return (
    <>
      {withGl && (
        <Suspense>
          <GlView {...shared} onReady={() => setReady(true)} />
        </Suspense>
      )}
      {!glDraws && <FlatView {...shared} />}
    </>
  );
}
