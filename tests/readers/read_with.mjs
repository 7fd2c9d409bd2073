// Reads DICOM-SEGs with dcmjs and with cornerstone's adapters, which OHIF reads them with, and compares each voxel with
// what was meant.
//
// usage: node read_with.mjs MODULES FOLDER...
//
// MODULES is the folder of node_modules; each FOLDER is as read_with.py has it; expected.json holds also the source's
// series, frame of reference and slices ([SOP Instance UID, frame or null]). Prints, as JSON, for each folder and reader
// nothing where every voxel is at its place, else what is wrong.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, ...folders] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), "here.js"));
const load = async (name, entry) =>
  import(pathToFileURL(entry ? join(resolve(modules), "node_modules", name, entry) : require.resolve(name)));

const said = console.log;
// The libraries talk to the console; the verdicts are all that is printed.
for (const voice of ["log", "info", "warn", "error", "debug"]) console[voice] = () => {};

const dcmjs = (await load("dcmjs")).default;
const core = await load("@cornerstonejs/core", "dist/esm/index.js");
const { adaptersSEG } = await load("@cornerstonejs/adapters", "dist/esm/index.js");

class Meant {
  constructor(folder) {
    Object.assign(this, JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")));
    this.bytes = readFileSync(join(folder, "seg.dcm"));
    const values = this.labels.map((_, n) => readFileSync(join(folder, `${n}.raw`)));
    this.values = new Map(this.labels.map((label, n) => [label, values[n]]).filter(([, v]) => v.some((b) => b)));
  }

  get sliceLength() {
    return this.size[0] * this.size[1];
  }

  /** Patient position (LPS, mm) of the first voxel of slice k. */
  position(k) {
    return this.origin.map((o, axis) => o + k * this.spacing[2] * this.direction[2][axis]);
  }

  /** The slice at a patient position. */
  sliceAt(position) {
    for (let k = 0; k < this.size[2]; k++) {
      if (this.position(k).every((p, axis) => Math.abs(p - position[axis]) < 1e-3)) return k;
    }
    throw new Error(`a frame lies at ${position}, where no slice is`);
  }

  check(found) {
    const labels = [...found.keys()].sort();
    if (String(labels) !== String([...this.values.keys()].sort())) throw new Error(`finds the segments ${labels}`);
    for (const [label, values] of found) {
      const wrong = this.values.get(label).reduce((sum, value, at) => sum + (value !== values[at]), 0);
      if (wrong) throw new Error(`${wrong} voxels of ${label} are other ones`);
    }
  }
}

const list = (value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

function naturalized(bytes) {
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const file = dcmjs.data.DicomMessage.readFile(buffer);
  return dcmjs.data.DicomMetaDictionary.naturalizeDataset(file.dict);
}

function byDcmjs(meant) {
  const seg = naturalized(meant.bytes);
  if (list(seg.PixelData).length > 1) throw new Error("leaves decompressing to its caller");
  const pixels = new Uint8Array(list(seg.PixelData)[0]);
  const frames = list(seg.PerFrameFunctionalGroupsSequence);
  const { sliceLength } = meant;
  const values =
    seg.BitsAllocated === 1
      ? dcmjs.data.BitArray.unpack(pixels)
      : seg.BitsAllocated === 16
        ? new Uint16Array(pixels.buffer, pixels.byteOffset, pixels.length / 2)
        : pixels;
  const labels = new Map(list(seg.SegmentSequence).map((item) => [item.SegmentNumber, item.SegmentLabel]));
  const found = new Map([...labels.values()].map((label) => [label, new Uint8Array(sliceLength * meant.size[2])]));
  frames.forEach((groups, n) => {
    const k = meant.sliceAt(list(groups.PlanePositionSequence)[0].ImagePositionPatient.map(Number));
    const frame = values.subarray(n * sliceLength, (n + 1) * sliceLength);
    if (seg.SegmentationType === "LABELMAP") {
      frame.forEach((number, at) => number && (found.get(labels.get(number))[k * sliceLength + at] = 1));
    } else {
      const number = list(groups.SegmentIdentificationSequence)[0].ReferencedSegmentNumber;
      // dcmjs unpacks a bit to 0 or 255.
      const one = seg.SegmentationType === "BINARY" ? (value) => (value ? 1 : 0) : (value) => value;
      frame.forEach((value, at) => (found.get(labels.get(number))[k * sliceLength + at] = one(value)));
    }
  });
  return found;
}

/** What cornerstone asks of a source image, as OHIF answers it. */
function provider(meant) {
  const [columns, rows] = meant.size;
  const instances = new Map();
  meant.slices.forEach(([uid, frame], k) => {
    const id = frame ? `wadors:${uid}/frames/${frame}` : `wadors:${uid}/frames/1`;
    instances.set(id, { uid, frame, k });
  });
  const [row, column] = meant.direction;
  const [columnSpacing, rowSpacing] = meant.spacing;
  const get = (kind, id) => {
    const instance = instances.get(id);
    if (!instance) return undefined;
    const position = meant.position(instance.k);
    switch (kind) {
      case "instance":
        return {
          SOPInstanceUID: instance.uid,
          SeriesInstanceUID: meant.series,
          FrameOfReferenceUID: meant.frame_of_reference,
          ImagePositionPatient: position,
          Rows: rows,
          Columns: columns,
          NumberOfFrames: instance.frame ? meant.size[2] : undefined,
        };
      case "generalImageModule":
        return { sopInstanceUID: instance.uid };
      case "generalSeriesModule":
        return { seriesInstanceUID: meant.series, modality: "CT" };
      case "imagePlaneModule":
        return {
          frameOfReferenceUID: meant.frame_of_reference,
          rows,
          columns,
          rowCosines: row,
          columnCosines: column,
          imageOrientationPatient: [...row, ...column],
          imagePositionPatient: position,
          rowPixelSpacing: rowSpacing,
          columnPixelSpacing: columnSpacing,
          pixelSpacing: [rowSpacing, columnSpacing],
        };
      case "imagePixelModule":
        return {
          samplesPerPixel: 1,
          photometricInterpretation: "MONOCHROME2",
          rows,
          columns,
          bitsAllocated: 16,
          bitsStored: 16,
          highBit: 15,
          pixelRepresentation: 1,
        };
      default:
        return undefined;
    }
  };
  return { ids: [...instances.keys()], get };
}

async function byCornerstone(meant) {
  const { ids, get } = provider(meant);
  core.metaData.removeAllProviders?.();
  core.metaData.addProvider(get);
  core.cache.purgeCache();
  const { bytes } = meant;
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const read = await adaptersSEG.Cornerstone3D.Segmentation.createFromDICOMSegBuffer(ids, buffer, {
    metadataProvider: { get },
    tolerance: 1e-3,
  });
  const { sliceLength } = meant;
  const found = new Map();
  for (const segment of read.segMetadata.data.filter((segment) => segment)) {
    const values = new Uint8Array(sliceLength * meant.size[2]);
    for (const images of read.labelMapImages) {
      images.forEach((image) => {
        const k = ids.indexOf(image.referencedImageId);
        const slice = image.voxelManager.getScalarData();
        slice.forEach((number, at) => {
          if (number === Number(segment.SegmentNumber)) values[k * sliceLength + at] = 1;
        });
      });
    }
    found.set(segment.SegmentLabel, values);
  }
  return found;
}

const verdicts = {};
for (const folder of folders) {
  verdicts[folder] = {};
  for (const [name, reader] of [["dcmjs", byDcmjs], ["cornerstone", byCornerstone]]) {
    try {
      const meant = new Meant(folder);
      meant.check(await reader(meant));
      verdicts[folder][name] = "";
    } catch (error) {
      verdicts[folder][name] = String(error.message ?? error).split("\n")[0];
    }
  }
}
said(JSON.stringify(verdicts));
process.exit(0);
