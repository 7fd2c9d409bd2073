// One frame to High-Throughput JPEG 2000 by OpenJPH, or back.
//
// usage: node openjph.mjs MODULES KIND COLUMNS ROWS BITS SIGNED < frame > frame
//
// KIND is htj2k, htj2k-rpcl or htj2k-lossy, of raw little-endian pixels; or plain, of a code stream.
import { createRequire } from "node:module";
import { readFileSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";

const [modules, kind, columns, rows, bits, signed] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), "here.js"));
// The library's own voice is not the frame.
const openjph = await require("@cornerstonejs/codec-openjph")({ print() {}, printErr: console.error });
// Numbers of the progression orders of JPEG 2000, of which this one is by resolution, position, component, layer.
const RPCL = 2;

function encoded(pixels) {
  const encoder = new openjph.HTJ2KEncoder();
  const frame = {
    width: Number(columns),
    height: Number(rows),
    bitsPerSample: Number(bits),
    componentCount: 1,
    isSigned: signed === "1",
    isUsingColorTransform: false,
  };
  encoder.getDecodedBuffer(frame).set(pixels);
  // Whether it is lossless, and else the step of quantisation.
  encoder.setQuality(kind !== "htj2k-lossy", kind === "htj2k-lossy" ? 0.002 : 0);
  if (kind === "htj2k-rpcl") {
    encoder.setProgressionOrder(RPCL);
    encoder.setTLMMarker(true);
  }
  encoder.encode();
  return Buffer.from(encoder.getEncodedBuffer());
}

function decoded(stream) {
  const decoder = new openjph.HTJ2KDecoder();
  decoder.getEncodedBuffer(stream.length).set(stream);
  decoder.decode();
  return Buffer.from(decoder.getDecodedBuffer());
}

const read = readFileSync(0);
const written = kind === "plain" ? decoded(read) : encoded(read);
for (let at = 0; at < written.length; ) at += writeSync(1, written, at);
