import { useEffect, useRef, useState } from "react";

import type { Vec3 } from "./geometry";
import type { Overlay } from "./overlays";
import type { Convention } from "./planes";
import { Scene, type View } from "./scene";
import type { Range, Volume } from "./volume";

export interface GlViewProps {
  volume: Volume;
  overlays: Overlay[];
  cursor: Vec3;
  range: Range;
  zoom: number;
  view: View;
  convention: Convention;
  onCursor(mm: Vec3): void;
  onRange(range: Range): void;
  /** Called when the volume is drawn. */
  onReady(): void;
  /** Called when WebGL cannot draw, or stops to. */
  onLost(): void;
  /** Gets a function that turns the 3-D picture; null once it is gone. */
  onTurn(turn: ((azimuth: number, elevation: number) => void) | null): void;
}

/** A volume in slices and in 3-D, drawn with WebGL 2. A separate module, as NiiVue is large. */
export default function GlView(props: GlViewProps) {
  const { volume, overlays, cursor, range, zoom, view, convention } = props;
  const holder = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  const [scene, setScene] = useState<Scene | null>(null);
  useEffect(() => {
    latest.current = props;
  });

  useEffect(() => {
    const parent = holder.current;
    if (!parent) return;
    // A new canvas each time: a context that was given up cannot be had again.
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    parent.append(canvas);
    let made: Scene | null = null;
    let over = false;
    const lost = (event: Event) => {
      event.preventDefault();
      if (!over) latest.current.onLost();
    };
    canvas.addEventListener("webglcontextlost", lost);
    Scene.on(canvas, {
      onCursor: (mm) => latest.current.onCursor(mm),
      onRange: (changed) => latest.current.onRange(changed),
    }).then(
      (begun) => {
        made = begun;
        if (over) begun.dispose();
        else {
          setScene(begun);
          latest.current.onTurn((azimuth, elevation) => begun.turn(azimuth, elevation));
        }
      },
      () => over || latest.current.onLost(),
    );
    return () => {
      over = true;
      latest.current.onTurn(null);
      made?.dispose();
      setScene(null);
      canvas.removeEventListener("webglcontextlost", lost);
      canvas.remove();
      canvas.width = canvas.height = 0;
    };
  }, []);

  useEffect(() => {
    if (!scene) return;
    scene.show(volume, latest.current.range, overlays);
    scene.setCursor(latest.current.cursor);
    latest.current.onReady();
  }, [scene, volume, overlays]);
  useEffect(() => scene?.setRange(range), [scene, range]);
  useEffect(() => scene?.setCursor(cursor), [scene, cursor]);
  useEffect(() => scene?.setView(view), [scene, view]);
  useEffect(() => scene?.setConvention(convention), [scene, convention]);
  useEffect(() => scene?.setZoom(zoom, latest.current.cursor), [scene, zoom]);
  return <div ref={holder} className="gl-view" />;
}
