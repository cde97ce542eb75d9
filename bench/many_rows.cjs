// Loaded into Azurite: a row put with the property `copies` is not stored, but so many device rows like
// it are. Written one by one a million take a quarter of an hour, most of it for two indexes that are
// kept in order row by row.
"use strict";

const { createHash } = require("node:crypto");
const path = require("node:path");

const sources = path.dirname(process.argv[1]);
const Store = require(path.join(sources, "table/persistence/LokiTableMetadataStore.js")).default;
const { insertTableEntity } = Store.prototype;

Store.prototype.insertTableEntity = async function (context, table, account, entity, batchId) {
  const { copies, ...same } = entity.properties;
  if (copies === undefined) return insertTableEntity.call(this, context, table, account, entity, batchId);
  const { model, prefix, first, count, partition, isLast } = JSON.parse(copies);
  delete same["copies@odata.type"];
  const rows = [];
  for (let number = first; number < first + count; number += 1) {
    const name = `${prefix}${number}`;
    const hash = createHash("sha256").update(name).digest();
    const of = { PartitionKey: `${hash.toString("hex", 0, 1)}.${partition}`, RowKey: `d.${name}` };
    rows.push({
      ...of,
      eTag: entity.eTag,
      lastModifiedTime: entity.lastModifiedTime,
      properties: {
        ...same,
        ...of,
        doc0: same.doc0.replaceAll(model, name),
        rank: hash.toString("hex", 8, 16),
        Timestamp: entity.lastModifiedTime,
        "Timestamp@odata.type": "Edm.DateTime",
      },
    });
  }
  const all = this.getEntityCollection(account, table, context);
  all.adaptiveBinaryIndices = false; // sorted once, after the last
  all.insert(rows);
  if (isLast) {
    all.ensureAllIndexes();
    all.adaptiveBinaryIndices = true;
  }
  return entity;
};
