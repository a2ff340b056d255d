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
        <div className="note" data-tone="bad" role="alert">
          <div>
            <strong>{image.volume ? "Not all details are shown" : "The image is not shown"}</strong>
            <p>{image.error.message}</p>
          </div>
          <button type="button" className="button" onClick={props.onRetry}>
            Try again
          </button>
        </div>
      )}
      {props.caution && (
        <div className="note" data-tone="warn" role="note">
          {props.caution}
        </div>
      )}
      {image.volume && !image.volume.placed && (
        <div className="note" data-tone="warn" role="note">
          The file does not say how the image lies in space: which side is left, and sizes in mm,
          are unknown.
        </div>
      )}
      {!able.webgl && (
        <div className="note" data-tone="info" role="note">
          {NO_WEBGL}
        </div>
      )}
      {able.webgl && glLost && (
        <div className="note" data-tone="warn" role="status">
          {LOST}
        </div>
      )}
      {finest > 0 && (
        <div className="note" data-tone="info" role="note">
          <div>
            This image is too large to draw in 3-D here, so it is drawn coarser: each voxel shown is
            the mean of {2 ** finest} along each axis.
          </div>
          <button type="button" className="button" onClick={() => props.onSlices(true)}>
            Show all details in slices
          </button>
        </div>
      )}
      {inSlices && (
        <div className="note" data-tone="info" role="note">
          <div>All details are shown, in slices.</div>
          <button type="button" className="button" onClick={() => props.onSlices(false)}>
            Back to 3-D
          </button>
        </div>
      )}
    </div>
  );
}
