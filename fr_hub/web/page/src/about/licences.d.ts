declare module "virtual:licences" {
  /** The packages that are in the page. */
  const packages: { name: string; version: string; licence: string; text: string }[];
  export default packages;
}
