// Loaded into Azurite for fleets that are too large for it as it is: for a query that names a
// partition it then looks at the rows of that partition only, by an index that it has, as the storage
// of Azure does. It answers the same: its own code still filters, sorts and cuts what it finds.
"use strict";

const path = require("path");

const persistence = path.join(path.dirname(process.argv[1]), "table", "persistence");
const Store = require(path.join(persistence, "LokiTableMetadataStore.js")).default;
const parse = require(path.join(persistence, "QueryInterpreter", "QueryParser.js")).default;
const ofTable = Store.prototype.queryTableEntities;

Store.prototype.queryTableEntities = function (context, account, table, options, ...after) {
  const partition = partitionOf(options.filter);
  const narrowed = Object.create(this);
  if (partition !== undefined) {
    narrowed.getEntityCollection = (...names) => {
      const rows = this.getEntityCollection(...names);
      return { chain: () => rows.chain().find({ PartitionKey: partition }) };
    };
  }
  return ofTable.call(narrowed, context, account, table, options, ...after);
};

// The partition that all rows of a query lie in; undefined: any, or Azurite is to refuse the query.
function partitionOf(filter) {
  try {
    return filter ? named(parse(filter)) : undefined;
  } catch {
    return undefined;
  }
}

function named(node) {
  if (node.name === "and") return named(node.left) ?? named(node.right);
  const isOfPartition = node.name === "eq" && node.left.identifier === "PartitionKey";
  return isOfPartition && node.right.name === "constant" ? node.right.value : undefined;
}
