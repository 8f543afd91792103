#include "data/image_import.h"

#include "core/base/atomic_file.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "data/picture.h"
#include "data/png.h"
#include "data/store_export.h"
#include "data/store_verify.h"
#include "tests/checkout.h"
#include "tests/data/store_fixture.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tiffio.h>

#include <chrono>
#include <cstdlib>
#include <memory>

namespace eosin::data {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

void write_text(const std::string& path, const std::string& text) { write_bytes(path, {text.begin(), text.end()}); }

std::string import_error(const std::string& path, const ImportConfig& config) {
  try {
    import_images(path, config);
  } catch (const Error& e) {
    return e.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

/// Four pictures of two slides: three JPEGs and a PNG.
ImportConfig write_pictures(const TemporaryFolder& folder) {
  fs::create_directories(folder / "pictures/sub");
  for (const char* name : {"a.jpg", "sub/b.jpeg", "c.JPG"})
    write_bytes(folder / (std::string("pictures/") + name), test_record(0, name[0], Codec::kJpeg));
  write_bytes(folder / "pictures/d.png", encode_png(test_picture(1, 3)));
  write_text(folder / "table.csv",
             "file,class,case,slide,split,x,y,mpp\r\n"
             "a.jpg,tumour,007,S/1,train,0,0,0.5\r\nd.png,normal,8,S2,val,512,0,0.5\r\nsub/b.jpeg,normal,007,S/1,train,512,0,0.5\r\nc.JPG,\"a, "
             "b\",8,S2,val,0,64,0.5\r\n");
  ImportConfig config;
  config.images = folder / "pictures";
  config.out = folder / "store";
  return config;
}

TEST(ImageImport, TableBecomesAStore) {
  const TemporaryFolder folder;
  const ImportConfig config = write_pictures(folder);
  const ImportResult result = import_images(folder / "table.csv", config);
  EXPECT_EQ(result.tiles, 4);
  EXPECT_EQ(result.slides, 2);
  EXPECT_EQ(result.copied, 3);
  EXPECT_EQ(result.encoded, 1);

  const TileStore store(folder / "store");
  EXPECT_EQ(store.column("id"), (std::vector<std::string>{"a.jpg", "sub/b.jpeg", "d.png", "c.JPG"}));
  EXPECT_EQ(store.column("class"), (std::vector<std::string>{"tumour", "normal", "normal", "a, b"}));
  EXPECT_EQ(store.column("patient")[0], "007");
  EXPECT_EQ(store.slides()[0].id, "S/1");
  EXPECT_EQ(store.slides()[0].patient, "007");
  EXPECT_EQ(store.slides()[0].mpp_x, 0.5);
  EXPECT_EQ(store.format().target_mpp, 0.5);
  EXPECT_EQ(store.tile(1).x, 512);
  std::vector<uint8_t> buffer;
  const auto bytes = store.read(1, buffer);
  EXPECT_EQ(std::vector<uint8_t>(bytes.begin(), bytes.end()), bytes_of(folder / "pictures/sub/b.jpeg"));
  EXPECT_TRUE(verify_store(store, true, 1).empty());

  // The same command again finds everything done.
  EXPECT_EQ(import_images(folder / "table.csv", config).copied, 0);
  EXPECT_EQ(TileStore(folder / "store").n_tiles(), 4u);
}

TEST(ImageImport, ExportAndImportAgain) {
  const TemporaryFolder folder;
  import_images(folder / "table.csv", write_pictures(folder));
  const TileStore first(folder / "store");
  for (const auto format : {PictureFormat::kJpeg, PictureFormat::kPng}) {
    const std::string out = folder / (format == PictureFormat::kPng ? "png" : "jpeg");
    export_tiles(first, out, format);
    EXPECT_THROW(export_tiles(first, out, format), Error);
    ImportConfig config;
    config.out = out + "-store";
    config.encoding.codec = format == PictureFormat::kPng ? "raw" : "jpeg";
    import_images(out + "/tiles.csv", config);
    const TileStore second(config.out);
    EXPECT_EQ(second.column("class"), first.column("class"));
    EXPECT_EQ(second.column("split"), first.column("split"));
    ASSERT_EQ(second.n_tiles(), first.n_tiles());
    std::vector<uint8_t> buffer;
    Image a, b;
    for (uint64_t i = 0; i < first.n_tiles(); ++i) {
      first.read_image(i, buffer, a);
      second.read_image(i, buffer, b);
      EXPECT_EQ(a.rgb, b.rgb);
      EXPECT_EQ(first.tile(i).x, second.tile(i).x);
      EXPECT_EQ(first.slides()[first.tile(i).slide].id, second.slides()[second.tile(i).slide].id);
    }
  }
}

TEST(ImageImport, AnExportKeepsWhatIsKnownOfTheTiles) {
  const TemporaryFolder folder;
  write_store(folder / "store", {3, 0, 4}, test_settings(Codec::kJpeg));
  const TileStore first(folder / "store");
  export_tiles(first, folder / "out", PictureFormat::kJpeg);
  ImportConfig config;
  config.out = folder / "again";
  import_images(folder / "out/tiles.csv", config);
  const TileStore second(config.out);
  ASSERT_EQ(second.n_tiles(), first.n_tiles());
  for (uint64_t i = 0; i < first.n_tiles(); ++i) {
    EXPECT_EQ(first.tile(i).tissue, second.tile(i).tissue);
    EXPECT_EQ(first.tile(i).qc, second.tile(i).qc);
  }

  // the same once more: an import's own ids survive
  export_tiles(second, folder / "out2", PictureFormat::kJpeg);
  config.out = folder / "again2";
  import_images(folder / "out2/tiles.csv", config);
  EXPECT_EQ(TileStore(config.out).column("id"), second.column("id"));

  std::string table = read_file(folder / "out/tiles.csv");
  table.replace(table.find(",qc"), 3, ",q");
  write_text(folder / "out/tiles.csv", table);
  config.out = folder / "other";
  import_images(folder / "out/tiles.csv", config);
  EXPECT_EQ(TileStore(config.out).tile(0).tissue, 255) << "only an export's tissue is a share";
}

TEST(ImageImport, FolderNamesAreClasses) {
  const TemporaryFolder folder;
  for (const char* name : {"normal/1.jpg", "normal/2.jpg", "tumour/1.jpg"}) {
    const std::string path = folder / (std::string("pictures/") + name);
    fs::create_directories(fs::path(path).parent_path());
    write_bytes(path, test_record(0, 1, Codec::kJpeg));
  }
  ImportConfig config;
  config.out = folder / "store";
  import_images(folder / "pictures", config);
  const TileStore store(folder / "store");
  EXPECT_EQ(store.column("class"), (std::vector<std::string>{"normal", "normal", "tumour"}));
  EXPECT_EQ(store.tile(1).x, static_cast<int32_t>(kTestWidth));  // side by side
}

void write_tiff(const std::string& path, const Image& image, uint16_t compression, uint16_t bits = 8) {
  const std::unique_ptr<TIFF, decltype(&TIFFClose)> tiff(TIFFOpen(path.c_str(), "w"), TIFFClose);
  TIFFSetField(tiff.get(), TIFFTAG_IMAGEWIDTH, static_cast<uint32_t>(image.width));
  TIFFSetField(tiff.get(), TIFFTAG_IMAGELENGTH, static_cast<uint32_t>(image.height));
  TIFFSetField(tiff.get(), TIFFTAG_SAMPLESPERPIXEL, 3);
  TIFFSetField(tiff.get(), TIFFTAG_BITSPERSAMPLE, bits);
  TIFFSetField(tiff.get(), TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
  TIFFSetField(tiff.get(), TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  TIFFSetField(tiff.get(), TIFFTAG_COMPRESSION, compression);
  TIFFSetField(tiff.get(), TIFFTAG_ROWSPERSTRIP, 5u);
  for (int64_t y = 0; y < image.height; ++y) {
    std::vector<uint8_t> row(image.row(y), image.row(y) + 3 * image.width);
    row.resize(row.size() * bits / 8);
    TIFFWriteScanline(tiff.get(), row.data(), static_cast<uint32_t>(y));
  }
}

TEST(ImageImport, TiffsArePicturesAndPatientsHaveTheirUsualNames) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "pictures/tumour");
  write_tiff(folder / "pictures/tumour/a.tif", test_picture(0, 0), COMPRESSION_NONE);
  write_tiff(folder / "pictures/tumour/b.TIFF", test_picture(0, 1), COMPRESSION_LZW);
  ImportConfig config;
  config.out = folder / "store";
  config.encoding.codec = "raw";
  import_images(folder / "pictures", config);
  const TileStore store(folder / "store");
  ASSERT_EQ(store.n_tiles(), 2u);
  std::vector<uint8_t> buffer;
  Image image;
  for (size_t i = 0; i < 2; ++i) {
    store.read_image(i, buffer, image);
    EXPECT_EQ(image.rgb, test_picture(0, i).rgb);
  }
  write_text(folder / "table.csv", "image,patient_id,slide_id,label\ntumour/a.tif,007,s,x\ntumour/b.TIFF,007,s,y\n");
  config.images = folder / "pictures", config.out = folder / "labelled";
  import_images(folder / "table.csv", config);
  EXPECT_EQ(TileStore(config.out).column("patient"), (std::vector<std::string>{"007", "007"}));
  EXPECT_EQ(TileStore(config.out).slides()[0].id, "s");
}

TEST(ImageImport, TiffsThatAreNoPicturesAreNamed) {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::vector<uint8_t>& bytes) { return message_of([&] { decode_picture(bytes, "t.tif"); }, ErrorKind::Data); };
  write_tiff(folder / "t.tif", test_picture(0, 0), COMPRESSION_NONE, 16);
  EXPECT_THAT(refusal(bytes_of(folder / "t.tif")), HasSubstr("16 bits"));
  write_tiff(folder / "t.tif", test_picture(0, 0), COMPRESSION_LZW);
  const auto whole = bytes_of(folder / "t.tif");
  for (const size_t bytes : {size_t{4}, size_t{8}, whole.size() / 2, whole.size() - 1})
    EXPECT_THAT(refusal({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes)}), HasSubstr("[t.tif]")) << bytes;
}

TEST(ImageImport, PackedFilesAndOtherTablesAreNamed) {
  const TemporaryFolder folder;
  const ImportConfig config = write_pictures(folder);
  write_text(folder / "set.tar.gz", "\x1F\x8B");
  EXPECT_THAT(import_error(folder / "set.tar.gz", config), testing::AllOf(HasSubstr("set.tar.gz"), HasSubstr("unpack it")));
  write_text(folder / "table.tsv", "file\tlabel\na.jpg\tx, y\n");
  EXPECT_EQ(measure_import(folder / "table.tsv", config).format, "table");
  write_text(folder / "semicolons.csv", "file;label\na.jpg;x\n");
  EXPECT_THAT(import_error(folder / "semicolons.csv", config), HasSubstr("separated by ';'"));
}

TEST(ImageImport, ATableInAnImportedFolderIsPointedTo) {
  const TemporaryFolder folder;
  const std::string log = folder / "log.txt";
  ImportConfig config = write_pictures(folder);
  write_text(folder / "pictures/groups.csv", "file,group\na.jpg,1\n");
  log::set_file(log);
  log::set_level(log::Level::Off);
  import_images(folder / "pictures", config);
  log::set_level(log::Level::Info);
  log::set_file("");
  const auto bytes = bytes_of(log);
  EXPECT_THAT(std::string(bytes.begin(), bytes.end()), HasSubstr("eosin store import " + (folder / "pictures/groups.csv")));
}

TEST(ImageImport, SixteenBitPngsAreNoPictures) {
  const TemporaryFolder folder;
  ImportConfig config;
  config.out = folder / "store";
  fs::create_directories(folder / "pictures");
  // 2 x 1 grey pixels, 300 and 7
  write_bytes(folder / "pictures/labels.png",
              {137, 80, 78, 71,  13, 10,  26,  10,  0,   0,   0, 13, 73, 72, 68, 82, 0,  0,   0,   2,  0,  0,   0,  1,
               16,  0,  0,  0,   0,  129, 217, 252, 21,  0,   0, 0,  13, 73, 68, 65, 84, 120, 218, 99, 96, 212, 97, 96,
               7,   0,  0,  148, 0,  53,  99,  234, 208, 149, 0, 0,  0,  0,  73, 69, 78, 68,  174, 66, 96, 130});
  EXPECT_THAT(import_error(folder / "pictures", config), testing::AllOf(HasSubstr("labels.png"), HasSubstr("16 bits")));
}

TEST(ImageImport, SizesAreRefusedOrResized) {
  const TemporaryFolder folder;
  ImportConfig config = write_pictures(folder);
  write_bytes(folder / "pictures/d.png", encode_png(test_picture(1, 3, 37, 41)));
  EXPECT_THAT(import_error(folder / "table.csv", config), testing::AllOf(HasSubstr("d.png"), HasSubstr("table.csv:3"), HasSubstr("41 x 37")));
  config.out = folder / "resized";
  config.resize = true;
  config.tile_size_px = 16;
  const ImportResult result = import_images(folder / "table.csv", config);
  EXPECT_EQ(result.resized, 4);
  EXPECT_EQ(TileStore(folder / "resized").format().tile_width, 16u);
}

TEST(ImageImport, MistakesAreNamedWithTheirLine) {
  const TemporaryFolder folder;
  ImportConfig config = write_pictures(folder);
  const auto error_of = [&](const std::string& csv) {
    write_text(folder / "bad.csv", csv);
    return import_error(folder / "bad.csv", config);
  };
  EXPECT_THAT(error_of("file,x,y\na.jpg,0,0\nc.JPG,zero,0\n"), HasSubstr("bad.csv:3"));
  EXPECT_THAT(error_of("file\na.jpg\na.jpg\n"), HasSubstr("there twice"));
  EXPECT_THAT(error_of("file,slide,x,y\na.jpg,s,0,0\nc.JPG,s,0,0\n"), HasSubstr("two tiles"));
  EXPECT_THAT(error_of("file,slide,patient\na.jpg,s,p\nc.JPG,s,q\n"), HasSubstr("patient"));
  EXPECT_THAT(error_of("name\na.jpg\n"), HasSubstr("columns.file"));
  EXPECT_THAT(error_of("file,x\na.jpg,0\n"), HasSubstr("columns.y"));
  EXPECT_THAT(error_of("file\nabsent.jpg\n"), HasSubstr("absent.jpg"));
  write_text(folder / "pictures/text.jpg", "not a picture");
  EXPECT_THAT(error_of("file\ntext.jpg\n"), HasSubstr("neither a JPEG, nor a PNG or a TIFF"));
  auto cut = bytes_of(folder / "pictures/a.jpg");
  cut.resize(cut.size() - 20);
  write_bytes(folder / "pictures/cut.jpg", cut);
  EXPECT_THAT(error_of("file\ncut.jpg\n"), HasSubstr("cut.jpg"));
}

TEST(ImageImport, NumbersThatAreNoneLeaveNothing) {
  const TemporaryFolder folder;
  const ImportConfig config = write_pictures(folder);
  for (const char* edge : {"-7", "0", "4294967289", "2.5"}) {
    write_text(folder / "bad.csv", fmt::format("file,x,y,level0_size\na.jpg,0,0,46\nc.JPG,46,0,{}\n", edge));
    EXPECT_THAT(message_of([&] { import_images(folder / "bad.csv", config); }, ErrorKind::Data), HasSubstr("bad.csv:3")) << edge;
  }
  for (const char* mpp : {"-2", "nan", "inf", "-inf", "1e300", "51"}) {
    write_text(folder / "bad.csv", fmt::format("file,mpp\na.jpg,0.5\nc.JPG,{}\n", mpp));
    EXPECT_THAT(message_of([&] { import_images(folder / "bad.csv", config); }, ErrorKind::Data), HasSubstr("bad.csv:3")) << mpp;
  }
  EXPECT_FALSE(fs::exists(config.out));
}

TEST(ImageImport, ASlideHasOneScaleAndItsTilesTheirOwn) {
  const TemporaryFolder folder;
  const ImportConfig config = write_pictures(folder);
  write_text(folder / "table.csv", "file,slide,x,y,level0_size,mpp\na.jpg,S,0,0,23,0.25\nsub/b.jpeg,S,0,0,92,1\n");
  import_images(folder / "table.csv", config);
  const TileStore store(config.out);
  EXPECT_EQ(store.slides()[0].mpp_x, 0.25);
  EXPECT_EQ(store.format().target_mpp, 0);
  export_tiles(store, folder / "out", PictureFormat::kJpeg);
  const CsvTable table = CsvTable::read(folder / "out/tiles.csv");
  EXPECT_EQ(table.row(0)[table.column("mpp")], "0.25");
  EXPECT_EQ(table.row(1)[table.column("mpp")], "1.0");

  ImportConfig other = config;
  other.out = folder / "other";
  for (const char* rows : {"a.jpg,S,0.25\nc.JPG,S,0.5\n", "a.jpg,S,0.25\nc.JPG,S,\n"}) {
    write_text(folder / "bad.csv", std::string("file,slide,mpp\n") + rows);
    EXPECT_THAT(message_of([&] { import_images(folder / "bad.csv", other); }, ErrorKind::Data), HasSubstr("bad.csv:3"));
  }
  EXPECT_FALSE(fs::exists(other.out));
}

TEST(ImageImport, AFolderThatChangedIsNotImportedOver) {
  const TemporaryFolder folder;
  const ImportConfig config = write_pictures(folder);
  import_images(folder / "pictures", config);
  EXPECT_EQ(import_images(folder / "pictures", config).tiles, 4);
  const auto refusal = [&] { return message_of([&] { import_images(folder / "pictures", config); }, ErrorKind::Data); };
  write_bytes(folder / "pictures/e.jpg", test_record(0, 9, Codec::kJpeg));
  EXPECT_THAT(refusal(), HasSubstr("import into a new folder"));
  fs::remove(folder / "pictures/e.jpg");
  EXPECT_EQ(import_images(folder / "pictures", config).tiles, 4);
  const auto later = fs::last_write_time(folder / "pictures/a.jpg") + std::chrono::seconds(2);
  write_bytes(folder / "pictures/a.jpg", test_record(0, 17, Codec::kJpeg));
  fs::last_write_time(folder / "pictures/a.jpg", later);
  EXPECT_THAT(refusal(), HasSubstr("import into a new folder"));
}

TEST(ImageImport, NamesThatAreNotUtf8AreRefused) {
  const TemporaryFolder folder;
  const ImportConfig config = write_pictures(folder);
  for (const char* name : {"pictures/caf\xe9.jpg", "pictures/caf\xe8.jpg"}) write_bytes(folder / name, test_record(0, 1, Codec::kJpeg));
  EXPECT_THAT(message_of([&] { import_images(folder / "pictures", config); }, ErrorKind::Data), HasSubstr("not UTF-8"));
  EXPECT_THAT(message_of([&] { measure_import(folder / "pictures", config); }, ErrorKind::Data), HasSubstr("not UTF-8"));
  EXPECT_FALSE(fs::exists(config.out));
}

TEST(ImageImport, BadPicturesAreLeftOutUpToALimit) {
  const TemporaryFolder folder;
  ImportConfig config = write_pictures(folder);
  config.max_bad_fraction = 0.25;
  write_text(folder / "pictures/a.jpg", "not a picture");  // the first: the next one gives the size
  const ImportResult result = import_images(folder / "table.csv", config);
  EXPECT_EQ(result.tiles, 3);
  EXPECT_EQ(result.bad, 1);
  EXPECT_THAT(result.failures.at("a.jpg"), testing::AllOf(HasSubstr("table.csv:2"), HasSubstr("a.jpg"), HasSubstr("neither")));
  EXPECT_EQ(TileStore(folder / "store").column("id"), (std::vector<std::string>{"sub/b.jpeg", "d.png", "c.JPG"}));
  fs::remove(folder / "pictures/c.JPG");
  config.out = folder / "other";
  EXPECT_THAT(import_error(folder / "table.csv", config), testing::AllOf(HasSubstr("2 of 4"), HasSubstr("c.JPG")));
}

TEST(ImageImport, FormatsAreFoundOrNamed) {
  const TemporaryFolder folder;
  ImportConfig config = write_pictures(folder);
  EXPECT_EQ(measure_import(folder / "table.csv", config).format, "table");
  EXPECT_EQ(measure_import(folder / "pictures", config).format, "folder");
  write_text(folder / "pictures/set.tar", "no tar");
  EXPECT_THROW(measure_import(folder / "pictures", config), Error);
  config.format = "folder";
  EXPECT_EQ(measure_import(folder / "pictures", config).pictures, 4);
  config.format = "lmdb";
  EXPECT_THAT(import_error(folder / "pictures", config), HasSubstr("webdataset"));
}

TEST(ImageImport, IdxBecomesARawStore) {
  const TemporaryFolder folder;
  std::string pictures = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 5}, labels = {0, 0, 8, 1, 0, 0, 0, 2, 4, 9};
  for (char v = 0; v < 30; ++v) pictures += v;
  write_text(folder / "pictures.idx", pictures);
  write_text(folder / "labels.idx", labels);
  ImportConfig config;
  config.out = folder / "store";
  config.labels = folder / "labels.idx";
  EXPECT_EQ(import_images(folder / "pictures.idx", config).tiles, 2);
  const TileStore store(folder / "store");
  EXPECT_EQ(store.format().codec, Codec::kRaw);
  EXPECT_EQ(store.column("class"), (std::vector<std::string>{"4", "9"}));
  std::vector<uint8_t> buffer;
  Image image;
  store.read_image(1, buffer, image);
  EXPECT_EQ(image.width, 5);
  EXPECT_EQ(image.rgb[3], 16);
  config.labels = folder / "pictures.idx";
  config.out = folder / "other";
  EXPECT_THAT(import_error(folder / "pictures.idx", config), HasSubstr("labels"));
}

/// The real sets, where they are.
TEST(ImageImport, RealFolders) {
  const char* given = std::getenv("EOSIN_TEST_DATA");
  const fs::path data = given ? fs::path(given) : fs::path(source_dir()) / "../shared/data";
  if (!fs::exists(data / "patches-atlas/manifest.csv")) GTEST_SKIP() << "no patches-atlas below " << data;
  const TemporaryFolder folder;
  ImportConfig config;
  config.out = folder / "atlas";
  config.images = (data / "patches-atlas/images").string();
  config.columns.label = "organ";
  config.columns.x = "x_20x", config.columns.y = "y_20x";
  const ImportResult atlas = import_images((data / "patches-atlas/manifest.csv").string(), config);
  EXPECT_EQ(atlas.tiles, 2264);
  EXPECT_EQ(atlas.slides, 23);
  EXPECT_EQ(atlas.copied, 2264);
  EXPECT_EQ(TileStore(folder / "atlas").slides()[0].patient, "BS3");
}

}  // namespace
}  // namespace eosin::data
