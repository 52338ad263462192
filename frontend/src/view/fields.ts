// How one value of the view is written into the address and read from it.
import type { Region } from "../pixels/geometry";
import { WHOLE, type Zoom } from "../pixels/zoom";

export interface Field<Value> {
  /** In the address. */
  name: string;
  initial: Value;
  write(value: Value): string;
  /** Undefined for what cannot be read: the initial value counts. */
  read(text: string): Value | undefined;
}

export function text(name: string, initial = ""): Field<string> {
  return { name, initial, write: String, read: (found) => found || undefined };
}

export function choice<Name extends string>(name: string, names: readonly Name[], initial: Name): Field<Name> {
  return { name, initial, write: String, read: (found) => names.find((one) => one === found) };
}

export function flag(name: string, initial = false): Field<boolean> {
  return { name, initial, write: (value) => (value ? "1" : "0"), read: (found) => ({ 1: true, 0: false } as Record<string, boolean>)[found] };
}

/** A whole number, or none. */
export function integer(name: string): Field<number | null> {
  return { name, initial: null, write: (value) => (value === null ? "" : String(value)), read: whole };
}

export function count(name: string): Field<number> {
  return { name, initial: 0, write: String, read: (found) => Math.max(0, whole(found) ?? 0) };
}

export function positive(name: string, initial: number, largest = Infinity): Field<number> {
  const read = (found: string) => (Number(found) > 0 && Number(found) <= largest ? Number(found) : undefined);
  return { name, initial, write: String, read };
}

export function zoom(name: string): Field<Zoom> {
  const read = (found: string) => {
    const [factor, x, y] = numbers(found, 3);
    return factor! >= 1 ? { factor: factor!, x: x!, y: y! } : undefined;
  };
  return { name, initial: WHOLE, write: ({ factor, x, y }) => numbersText([factor, x, y]), read };
}

export function region(name: string): Field<Region | null> {
  const read = (found: string) => {
    const [left, top, right, bottom] = numbers(found, 4);
    return left! < right! && top! < bottom! ? { left: left!, top: top!, right: right!, bottom: bottom! } : undefined;
  };
  const write = (value: Region | null) => (value ? numbersText([value.left, value.top, value.right, value.bottom]) : "");
  return { name, initial: null, write, read };
}

function whole(found: string): number | undefined {
  return found && Number.isInteger(Number(found)) ? Number(found) : undefined;
}

function numbersText(values: number[]): string {
  return values.map((value) => String(+value.toFixed(4))).join();
}

/** Exactly so many finite numbers, else none. */
function numbers(found: string, length: number): number[] {
  const values = found.split(",").map((part) => Number(part || NaN));
  return values.length === length && values.every(Number.isFinite) ? values : [];
}
