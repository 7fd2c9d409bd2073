// Saves labels on a CT series as OHIF does: a DICOM-SEG by cornerstone's adapters and dcmjs.
//
// usage: node draw_in_ohif.mjs MODULES SERIES LABELS OUT BINARY|LABELMAP
//
// MODULES is the folder of node_modules, SERIES a folder of CT images, LABELS a byte a voxel, column index fastest, the
// lowest slice first.
import { createRequire } from "node:module";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, series, labels, out, kind] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), "here.js"));
const entry = (path) => import(pathToFileURL(join(resolve(modules), "node_modules", path)));
const dcmjs = (await import(pathToFileURL(require.resolve("dcmjs")))).default;
const { Enums } = await entry("@cornerstonejs/core/dist/esm/index.js");
const { adaptersSEG } = await entry("@cornerstonejs/adapters/dist/esm/index.js");
const { MetadataModules } = Enums;
const { DicomMessage, DicomMetaDictionary, datasetToDict } = dcmjs.data;

const instances = readdirSync(series)
  .map((name) => {
    const bytes = readFileSync(join(series, name));
    const file = DicomMessage.readFile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    return DicomMetaDictionary.naturalizeDataset(file.dict);
  })
  .sort((a, b) => a.ImagePositionPatient[2] - b.ImagePositionPatient[2]);
const [{ Rows: rows, Columns: columns }] = instances;
const plane = rows * columns;

const images = instances.map((instance, k) => ({
  imageId: `wadors:${k}/frames/1`,
  voxelManager: { getScalarData: () => new Uint16Array(plane) },
}));
const metadata = {
  get(module, imageId) {
    const instance = instances[Number(imageId?.match(/^wadors:(\d+)/)?.[1])];
    if (!instance) return undefined;
    const { PixelData, ...attributes } = instance;
    if (module === MetadataModules.IMAGE_PLANE) {
      const orientation = attributes.ImageOrientationPatient.map(Number);
      return {
        imagePositionPatient: attributes.ImagePositionPatient.map(Number),
        imageOrientationPatient: orientation,
        rowCosines: orientation.slice(0, 3),
        columnCosines: orientation.slice(3),
        pixelSpacing: attributes.PixelSpacing.map(Number),
        sliceThickness: Number(attributes.SliceThickness),
      };
    }
    return attributes;
  },
};

const voxels = readFileSync(labels);
const numbers = [...new Set(voxels)].filter((number) => number).sort((a, b) => a - b);
const code = (CodeValue, CodeMeaning) => ({ CodeValue, CodingSchemeDesignator: "SCT", CodeMeaning });
const segments = [undefined];
for (const number of numbers) {
  segments[number] = {
    SegmentNumber: number,
    SegmentLabel: `Drawn ${number}`,
    SegmentAlgorithmType: "MANUAL",
    SegmentAlgorithmName: "OHIF Brush",
    SegmentedPropertyCategoryCodeSequence: code("85756007", "Tissue"),
    SegmentedPropertyTypeCodeSequence: code("85756007", "Tissue"),
    RecommendedDisplayCIELabValue: [43802, 26566, 37721],
  };
}
const labelmaps2D = images.map((_, k) => {
  const pixelData = new Uint8Array(voxels.subarray(k * plane, (k + 1) * plane));
  return { rows, columns, pixelData, segmentsOnLabelmap: numbers.filter((number) => pixelData.includes(number)) };
});
const options = kind === "LABELMAP" ? { sopClassUID: "1.2.840.10008.5.1.4.1.1.66.7" } : {};
const { dataset } = adaptersSEG.Cornerstone3D.Segmentation.generateSegmentation(
  images,
  { metadata: segments, labelmaps2D, segmentsOnLabelmap: numbers },
  metadata,
  { SeriesDescription: "Drawn in OHIF", ...options },
);
writeFileSync(out, Buffer.from(datasetToDict(dataset).write()));
process.exit(0);
