// The images of explanations: read once, kept while there is room.
import type { PanelApi } from "./api";
import { ByteCache } from "./byte_cache";
import { reason } from "./reason";
import type { Explanation } from "./explanation";
import { ServerError } from "./fetch_checked";

export interface ImageState {
  bitmap: ImageBitmap | null;
  /** Why there is no image, when there should be one. */
  missing: string;
}

const CACHE_BYTES = 64 * 1024 * 1024;
export const NO_IMAGE: ImageState = { bitmap: null, missing: "No image was logged with this sample." };
export const NO_SUCH_IMAGE: ImageState = { bitmap: null, missing: "no such image here" };

export class ImageSource {
  private readonly bitmaps = new ByteCache<ImageBitmap>(CACHE_BYTES);

  constructor(private readonly api: PanelApi) {}

  /** One per view. */
  of({ run, views }: Explanation): Promise<ImageState[]> {
    return Promise.all(views.map(({ image }) => this.read(run, image?.hash)));
  }

  /** Those that need no reading; null where one does. */
  held({ run, views }: Explanation): ImageState[] | null {
    const found = views.map(({ image }) => {
      if (!image) return NO_IMAGE;
      const bitmap = this.bitmaps.get(`${run}\n${image.hash}`);
      return bitmap ? { bitmap, missing: "" } : null;
    });
    return found.every((one) => one !== null) ? found : null;
  }

  private async read(run: string, hash: string | undefined): Promise<ImageState> {
    if (!hash) return NO_IMAGE;
    const key = `${run}\n${hash}`;
    try {
      const bitmap = this.bitmaps.get(key) ?? (await this.api.image(run, hash));
      this.bitmaps.set(key, bitmap, 4 * bitmap.width * bitmap.height);
      return { bitmap, missing: "" };
    } catch (error) {
      if (error instanceof ServerError && error.kind === "gone") throw error;
      return { bitmap: null, missing: `The image cannot be shown: ${reason(error)}` };
    }
  }
}
