/** A style sheet that a part brings along when it is loaded: there is nothing in it to import. */
declare module "*.css" {}
