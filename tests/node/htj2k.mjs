// Encodes one frame in High-Throughput JPEG 2000, lossless, by OpenJPH.
//
// usage: node htj2k.mjs MODULES COLUMNS ROWS BITS SIGNED < raw little-endian pixels > code stream
import { createRequire } from "node:module";
import { readFileSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";

const [modules, columns, rows, bits, signed] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), "here.js"));
// The library's own voice is not the code stream.
const openjph = await require("@cornerstonejs/codec-openjph")({ print() {}, printErr: console.error });
const encoder = new openjph.HTJ2KEncoder();
const frame = {
  width: Number(columns),
  height: Number(rows),
  bitsPerSample: Number(bits),
  componentCount: 1,
  isSigned: signed === "1",
  isUsingColorTransform: false,
};
encoder.getDecodedBuffer(frame).set(readFileSync(0));
encoder.setQuality(true, 0);
encoder.encode();
const encoded = Buffer.from(encoder.getEncodedBuffer());
for (let at = 0; at < encoded.length; ) at += writeSync(1, encoded, at);
