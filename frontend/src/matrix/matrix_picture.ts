// The matrix as pixels, one per cell: painted once, in tiles, when first seen, at every level of
// detail (each half as fine as the one before). Drawing it is copying tiles.
import { ByteCache } from "../data/byte_cache";
import { type ColorMap, colorTable, share } from "../pixels/color";
import { type MatrixCells, halved } from "./matrix_cells";

/** Cells of a tile's side. */
export const TILE = 256;
const LARGEST_TILES_BYTES = 64 * 1024 * 1024;

export class MatrixPicture {
  private readonly levels: MatrixCells[];
  private readonly tiles = new ByteCache<OffscreenCanvas>(LARGEST_TILES_BYTES);
  private readonly table: Uint8Array;

  constructor(
    readonly cells: MatrixCells,
    private readonly low: number,
    private readonly high: number,
    colors: ColorMap,
  ) {
    this.levels = [cells];
    this.table = colorTable(colors);
  }

  level(level: number): MatrixCells {
    while (this.levels.length <= level) this.levels.push(halved(this.levels.at(-1)!));
    return this.levels[level]!;
  }

  /** The pixels of TILE × TILE cells of a level, fewer at the matrix's end. */
  tile(level: number, row: number, column: number): OffscreenCanvas {
    const key = `${level}/${row}/${column}`;
    let tile = this.tiles.get(key);
    if (!tile) {
      tile = this.paint(this.level(level), row * TILE, column * TILE);
      this.tiles.set(key, tile, 4 * tile.width * tile.height);
    }
    return tile;
  }

  private paint(cells: MatrixCells, top: number, left: number): OffscreenCanvas {
    const width = Math.min(TILE, cells.columns - left);
    const height = Math.min(TILE, cells.rows - top);
    const { data } = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      const value = cells.values[(top + Math.floor(i / width)) * cells.columns + left + (i % width)]!;
      if (Number.isNaN(value)) continue;
      const color = 3 * Math.round(255 * share(value, this.low, this.high));
      data[4 * i] = this.table[color]!;
      data[4 * i + 1] = this.table[color + 1]!;
      data[4 * i + 2] = this.table[color + 2]!;
      data[4 * i + 3] = 255;
    }
    const tile = new OffscreenCanvas(width, height);
    tile.getContext("2d")!.putImageData(new ImageData(data, width, height), 0, 0);
    return tile;
  }
}
