/** The card of an exported .onnx file, read from its bytes: ONNX Runtime Web gives no access to metadata. */

const CARD = "i2i_card"; // the metadata key of the card, which is JSON
const METADATA = 14; // field of a ModelProto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto)
const KEY = 1; // fields of its StringStringEntryProto
const VALUE = 2;

/** The card (i2i_runtime/card.py) in `bytes` (Uint8Array) of the file `name`. Throws a sentence if none is there. */
export function readCard(bytes, name) {
  let entries;
  try {
    entries = [...fields(bytes)].filter(([number]) => number === METADATA).map(([, entry]) => new Map(fields(entry)));
  } catch {
    throw new Error(`${name}: not an .onnx file, or a damaged one.`);
  }
  const text = (part) => new TextDecoder().decode(part);
  const found = entries.find((entry) => text(entry.get(KEY)) === CARD);
  if (!found) {
    throw new Error(`${name}: no card in it. A file that has one is made by: i2i export MODEL --out x.onnx`);
  }
  const card = JSON.parse(text(found.get(VALUE)));
  if (card.instance_maps) throw new Error(`${name}: takes instance maps of 16 bits, which i2i translate reads.`);
  return card;
}

/** Every string, bytes and message of a protobuf message as [number of the field, its bytes]; the rest is skipped. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let [value, factor, byte] = [0, 1, 0];
    do {
      if (at >= bytes.length || factor > 2 ** 63) throw new RangeError("no protobuf");
      byte = bytes[at++];
      value += (byte & 127) * factor;
      factor *= 128;
    } while (byte > 127);
    return value;
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag % 8 === 0) varint();
    else if (tag % 8 === 1) at += 8;
    else if (tag % 8 === 5) at += 4;
    else if (tag % 8 === 2) {
      const end = varint() + at;
      if (end > bytes.length) throw new RangeError("no protobuf");
      yield [Math.floor(tag / 8), bytes.subarray(at, end)];
      at = end;
    } else throw new RangeError("no protobuf");
  }
}
