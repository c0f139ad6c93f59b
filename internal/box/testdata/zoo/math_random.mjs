// Random numbers of JavaScript and of crypto.
import crypto from "node:crypto";

console.log(Math.random(), Math.random());
console.log(crypto.randomUUID(), crypto.randomBytes(8).toString("hex"), crypto.randomInt(1000000));
console.log(crypto.getRandomValues(new Uint32Array(3)));
const { privateKey } = crypto.generateKeyPairSync("ed25519");
console.log(privateKey.export({ format: "jwk" }).d);
