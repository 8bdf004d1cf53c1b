/** The colour behind the agent, taken from the upper corners of the portrait. */

export function backdropOf(portrait: HTMLImageElement): string {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 16;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return "";
  context.drawImage(portrait, 0, 0, 16, 16);
  const [left, right] = [context.getImageData(0, 0, 2, 2), context.getImageData(14, 0, 2, 2)];
  return average([...left.data, ...right.data]);
}

/** The mean of RGBA bytes as a CSS colour; empty when they are transparent. */
export function average(rgba: readonly number[]): string {
  const sum = [0, 0, 0, 0];
  rgba.forEach((value, index) => (sum[index % 4]! += value));
  const [red, green, blue, alpha] = sum.map((value) => Math.round((value * 4) / rgba.length));
  return alpha === 255 ? `rgb(${red} ${green} ${blue})` : "";
}
