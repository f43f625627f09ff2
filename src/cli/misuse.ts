/** A command that was told what it cannot do. The message is for whoever typed it. */
export class Misuse extends Error {}
