import { Button } from "../parts/button";
import { Note } from "../parts/note";
import type { LoadedImage } from "./use-image";
import type { Graphics } from "./webgl";

interface MessagesProps {
  image: LoadedImage;
  caution: string | null;
  able: Graphics;
  glLost: boolean;
  inSlices: boolean;
  /** The most detailed level that is drawn. */
  finest: number;
  onRetry(): void;
  /** Draw all details in slices, or again in 3-D. */
  onSlices(slices: boolean): void;
}

const NO_WEBGL =
  "This browser has no WebGL 2, so the image is shown in slices, without 3-D. To get 3-D, turn on " +
  "hardware acceleration in the browser's settings, or use another browser.";
const LOST =
  "The graphics card stopped drawing, so the image is shown in slices. Reload the page to try 3-D " +
  "again.";

/** What to know about the image, and what to do if it cannot be shown. */
export function ViewerMessages(props: MessagesProps) {
  const { image, able, glLost, inSlices, finest } = props;
  return (
    <div className="viewer-messages">
      {image.error && (
        <Note tone="bad" role="alert" action={<Button onClick={props.onRetry}>Try again</Button>}>
          <strong>{image.volume ? "Not all details are shown" : "The image is not shown"}</strong>
          <p>{image.error.message}</p>
        </Note>
      )}
      {props.caution && (
        <Note tone="warn" role="note">
          {props.caution}
        </Note>
      )}
      {image.volume && !image.volume.placed && (
        <Note tone="warn" role="note">
          The file does not give the position of the image in space, so sizes in mm are unknown, and
          left and right cannot be told apart.
        </Note>
      )}
      {!able.webgl && <Note role="note">{NO_WEBGL}</Note>}
      {able.webgl && glLost && <Note tone="warn">{LOST}</Note>}
      {finest > 0 && (
        <Note
          role="note"
          action={<Button onClick={() => props.onSlices(true)}>Show all details in slices</Button>}
        >
          This image is too large to draw in 3-D here, so it is drawn at a lower resolution: each
          voxel shown is the mean of {2 ** finest} along each axis.
        </Note>
      )}
      {inSlices && (
        <Note
          role="note"
          action={<Button onClick={() => props.onSlices(false)}>Back to 3-D</Button>}
        >
          The slices show all details.
        </Note>
      )}
    </div>
  );
}
