import java.io.BufferedOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.objectweb.asm.AnnotationVisitor;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.FieldVisitor;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;
import org.objectweb.asm.Type;

/**
 * Makes an android.jar to compile against: the public and protected parts of the classes in jars and folders, each
 * method without its body, and the framework's resources. {@code Stubs OUT.jar IN...}; of two classes of one name the
 * first wins. Left out: the difference between what Android publishes and what it hides, which the API-24 gate tells.
 */
final class Stubs {
    private static final int VISIBLE = Opcodes.ACC_PUBLIC | Opcodes.ACC_PROTECTED;
    private static final int WITHOUT_BODY = Opcodes.ACC_ABSTRACT | Opcodes.ACC_NATIVE;
    private static final Pattern CLASSES = Pattern.compile("(android|dalvik|org|com/android|libcore|javax)/.*\\.class");
    private static final Set<String> RESOURCES = Set.of("resources.arsc", "AndroidManifest.xml");

    private final ZipOutputStream out;
    private final Set<String> seen = new HashSet<>();

    private Stubs(ZipOutputStream out) {
        this.out = out;
    }

    public static void main(String[] arguments) throws IOException {
        try (ZipOutputStream out = new ZipOutputStream(new BufferedOutputStream(new FileOutputStream(arguments[0])))) {
            out.setLevel(3);
            Stubs stubs = new Stubs(out);
            for (int i = 1; i < arguments.length; i++) {
                File source = new File(arguments[i]);
                if (source.isDirectory()) {
                    stubs.addFolder(source.toPath());
                } else {
                    stubs.addJar(source);
                }
            }
        }
    }

    private void addFolder(Path folder) throws IOException {
        List<Path> files = new ArrayList<>();
        try (Stream<Path> all = Files.walk(folder)) {
            all.filter(file -> file.toString().endsWith(".class")).sorted().forEach(files::add);
        }
        for (Path file : files) {
            String name = folder.relativize(file).toString();
            if (!name.contains("module-info") && seen.add(name)) {
                putClass(name, Files.readAllBytes(file));
            }
        }
    }

    private void addJar(File jar) throws IOException {
        try (ZipFile zip = new ZipFile(jar)) {
            for (ZipEntry entry : Collections.list(zip.entries())) {
                String name = entry.getName();
                boolean isClass = CLASSES.matcher(name).matches();
                if ((isClass || RESOURCES.contains(name)) && seen.add(name)) {
                    byte[] content = zip.getInputStream(entry).readAllBytes();
                    if (isClass) {
                        putClass(name, content);
                    } else {
                        putStored(name, content);
                    }
                }
            }
        }
    }

    private void putClass(String name, byte[] content) throws IOException {
        out.putNextEntry(new ZipEntry(name));
        out.write(stub(content));
    }

    /** The resource linker maps its input: stored, not compressed. */
    private void putStored(String name, byte[] content) throws IOException {
        CRC32 sum = new CRC32();
        sum.update(content);
        ZipEntry entry = new ZipEntry(name);
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(content.length);
        entry.setCrc(sum.getValue());
        out.putNextEntry(entry);
        out.write(content);
    }

    private static byte[] stub(byte[] content) {
        ClassWriter writer = new ClassWriter(0);
        new ClassReader(content).accept(new Outside(writer), ClassReader.SKIP_CODE | ClassReader.SKIP_DEBUG);
        return writer.toByteArray();
    }

    /** Passes on what other classes can see. */
    private static final class Outside extends ClassVisitor {
        Outside(ClassWriter writer) {
            super(Opcodes.ASM9, writer);
        }

        @Override
        public AnnotationVisitor visitAnnotation(String type, boolean visible) {
            return visible ? super.visitAnnotation(type, true) : null;
        }

        @Override
        public FieldVisitor visitField(int access, String name, String type, String generic, Object value) {
            return (access & VISIBLE) == 0 ? null : super.visitField(access, name, type, generic, value);
        }

        @Override
        public MethodVisitor visitMethod(int access, String name, String type, String generic, String[] thrown) {
            if (name.equals("<clinit>") || (access & VISIBLE) == 0) {
                return null;
            }
            MethodVisitor method = super.visitMethod(access, name, type, generic, thrown);
            return (access & WITHOUT_BODY) != 0 ? method : new Empty(method, type);
        }
    }

    /** Keeps a method's annotations and gives it the body {@code throw null}. */
    private static final class Empty extends MethodVisitor {
        private final MethodVisitor method;
        private final String type;

        Empty(MethodVisitor method, String type) {
            super(Opcodes.ASM9);
            this.method = method;
            this.type = type;
        }

        @Override
        public AnnotationVisitor visitAnnotation(String name, boolean visible) {
            return visible ? method.visitAnnotation(name, true) : null;
        }

        @Override
        public void visitEnd() {
            method.visitCode();
            method.visitInsn(Opcodes.ACONST_NULL);
            method.visitInsn(Opcodes.ATHROW);
            method.visitMaxs(1, (Type.getArgumentsAndReturnSizes(type) >> 2) + 1);
            method.visitEnd();
        }
    }
}
