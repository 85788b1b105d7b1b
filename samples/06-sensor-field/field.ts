/** A field of ten by ten sensors. Each covers its own place and those beside, above and below it. */
export const side = 10

/** Sensors were numbered as they were set up, not row by row. */
export function sensorAt(x: number, y: number): string {
  return `s${String(((y * side + x) * 37) % (side * side)).padStart(2, '0')}`
}

const places = new Map<string, readonly [x: number, y: number]>()
for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) places.set(sensorAt(x, y), [x, y])

export const sensors: readonly string[] = [...places.keys()]

export function neighbours(sensor: string): readonly string[] {
  const [x, y] = places.get(sensor)!
  const around = [
    [x, y - 1],
    [x - 1, y],
    [x + 1, y],
    [x, y + 1],
  ] as const
  return around.filter(([a, b]) => a >= 0 && b >= 0 && a < side && b < side).map(([a, b]) => sensorAt(a, b))
}
