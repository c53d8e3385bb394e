/**
 * The API's page: Swagger UI on our own document.
 */

/** @type {any} Swagger UI comes as a classic script */
const { SwaggerUIBundle } = window;

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: -1,
  validatorUrl: null, // the document is sent to nobody
});
