/**
 * A page's own few lines around stock Uppy: create a session signed in, hand Uppy its companion path, finalize.
 */

import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";

const SESSIONS = "/api/mocs/uploads/sessions";

/**
 * @param {File | File[]} files
 * @returns the created session, Uppy's own result, and the finalized session
 */
globalThis.upload = async (files, { pauseAfterParts = 0 } = {}) => {
  const all = [files].flat();
  const declared = all.map(({ name, type, size }) => {
    return { category: "instruction", filename: name, mimeType: type, size };
  });
  const created = await post(SESSIONS, { files: declared });

  const uppy = new Uppy();
  uppy.use(AwsS3, { companionEndpoint: location.origin + created.companionPath, shouldUseMultipart: true });
  const [id] = all.map(({ name, type }, index) => uppy.addFile({ name, type, data: all[index] }));
  let parts = 0;
  uppy.on("s3-multipart:part-uploaded", () => {
    if (++parts !== pauseAfterParts) return;
    uppy.pauseResume(id);
    setTimeout(() => uppy.pauseResume(id), 200);
  });
  const result = await uppy.upload();
  if (result.failed.length > 0) throw new Error(result.failed[0].error);

  const finalized = await post(`${SESSIONS}/${created.sessionId}/finalize`);
  return { created, parts, uploaded: result.successful.map(({ response }) => response), finalized };
};

/**
 * Give a file up half-way.
 * @param {File} file
 */
globalThis.giveUp = async (file) => {
  const declared = { category: "instruction", filename: file.name, mimeType: file.type, size: file.size };
  const created = await post(SESSIONS, { files: [declared] });
  const uppy = new Uppy();
  uppy.use(AwsS3, { companionEndpoint: location.origin + created.companionPath, shouldUseMultipart: true });
  uppy.addFile({ name: file.name, type: file.type, data: file });
  uppy.on("s3-multipart:part-uploaded", () => uppy.cancelAll());
  await uppy.upload();
  return created;
};

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return response.json();
}
