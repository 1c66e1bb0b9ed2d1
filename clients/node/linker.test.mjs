// Run against the server at LINKER_ADDRESS, which serves the test bundle: tests/client/test_node.py does both.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { call, connect, details, status } from "./linker.mjs";

const client = connect(process.env.LINKER_ADDRESS);
after(() => client.close());

test("links mentions, with offsets as JavaScript counts them", async () => {
  const context = "😀 known asma, heart attack";
  const begin = context.indexOf("heart attack");
  const { results, provenance } = await call(client, "LinkMentions", {
    mentions: [
      { mention_id: "a", text: "heart attack", context, context_span: { begin, end: context.length } },
      { mention_id: "b", text: "MI" },
    ],
    offset_unit: "OFFSET_UNIT_UTF16",
  });
  assert.deepEqual(results.map(({ mention_id, outcome }) => [mention_id, outcome]), [["a", "match"], ["b", "no_match"]]);
  assert.equal(results[0].match.candidates[0].concept.id, "CLINIC:0003");
  assert.equal(results[0].match.candidates[0].match_source, "MATCH_SOURCE_EXACT");
  assert.equal(results[1].no_match.reason, "NIL_REASON_AMBIGUOUS");
  assert.match(provenance.bundle_digest, /^[0-9a-f]{64}$/);
});

test("answers every batch of a stream", async () => {
  const stream = client.StreamLinkMentions();
  const answered = new Map();
  for (let batch_id = 1; batch_id <= 20; batch_id++) {
    stream.write({ batch_id, request: { mentions: [{ text: "asma" }, { text: batch_id === 7 ? "" : "heart attack" }] } });
  }
  stream.end();
  for await (const message of stream) {
    assert.ok(!answered.has(message.batch_id));
    answered.set(message.batch_id, message);
  }
  assert.equal(answered.size, 20);
  assert.equal(answered.get(7).error.code, status.INVALID_ARGUMENT);
  for (const [batch_id, { outcome, response }] of answered) {
    if (batch_id !== 7) assert.deepEqual([outcome, response.results.length], ["response", 2]);
  }
});

const text = "😀 no MI\nHeart attack 😀 and type 1 or 2 diabetes mellitus.";
const written = ({ pieces }) => pieces.map(({ begin, end }) => text.slice(begin, end)).join(" ");

test("annotates documents, with offsets as JavaScript counts them", async () => {
  const given = { spans: [{ pieces: [{ begin: text.indexOf("MI"), end: text.indexOf("MI") + 2 }] }] };
  const { results } = await call(client, "AnnotateDocuments", {
    documents: [{ document_id: "a", text }, { document_id: "b", text, given }, { document_id: "c" }],
    offset_unit: "OFFSET_UNIT_UTF16",
  });
  assert.deepEqual(results.map(({ document_id, outcome }) => [document_id, outcome]), [["a", "annotation"], ["b", "annotation"], ["c", "annotation"]]);
  const [found, known, none] = results.map(({ annotation }) => annotation.mentions);
  assert.deepEqual(found.map(written), ["MI", "Heart attack", "type 1 diabetes mellitus", "type 2 diabetes mellitus"]);
  assert.deepEqual(found.map(({ assertions }) => assertions), [["ASSERTION_NEGATED"], [], [], []]);
  assert.equal(found[1].link.match.candidates[0].concept.id, "CLINIC:0003");
  assert.deepEqual(known.map(written), ["MI"]);
  assert.deepEqual(none, []);
});

test("annotates a stream of batches", async () => {
  const stream = client.StreamAnnotateDocuments();
  for (let batch_id = 1; batch_id <= 5; batch_id++) stream.write({ batch_id, request: { documents: [{ text }] } });
  stream.end();
  const answered = [];
  for await (const { batch_id, response } of stream) {
    assert.equal(response.results[0].annotation.mentions.length, 4);
    answered.push(batch_id);
  }
  assert.deepEqual(answered.sort(), [1, 2, 3, 4, 5]);
});

test("says which field is wrong", async () => {
  const failed = call(client, "LinkMentions", { mentions: [{ text: "asma" }, { text: "" }], options: { top_k: 101 } });
  await assert.rejects(failed, (error) => {
    assert.equal(error.code, status.INVALID_ARGUMENT);
    const fields = details(error).BadRequest.field_violations.map(({ field }) => field);
    assert.deepEqual(fields.sort(), ["mentions[1].text", "options.top_k"]);
    return true;
  });
});

test("keeps the deadline", async () => {
  const failed = call(client, "LinkMentions", { mentions: [{ text: "asma" }] }, { seconds: 0 });
  await assert.rejects(failed, { code: status.DEADLINE_EXCEEDED });
});
